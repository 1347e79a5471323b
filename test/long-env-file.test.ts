import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { isUndropError, type UndropError } from '../src/errors.ts';
import { loadEnv } from '../src/knex/env-file.ts';
import { makeProject } from './support/project.ts';

const secret = 'geheim';

describe('.env', () => {
  let folder: string;
  let environment: NodeJS.ProcessEnv;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-env-'));
    environment = { ...process.env };
  });

  afterEach(() => {
    for (const name of Object.keys(process.env)) if (!(name in environment)) delete process.env[name];
    Object.assign(process.env, environment);
    rmSync(folder, { recursive: true });
  });

  /** Loads a file and returns the variables that it adds to the environment. */
  function load(text: string | Buffer): Record<string, string | undefined> {
    writeFileSync(join(folder, '.env'), text);
    const before = { ...process.env };
    loadEnv(folder);
    const added = Object.entries(process.env).filter(([name]) => !(name in before));
    for (const [name] of added) delete process.env[name];
    return Object.fromEntries(added);
  }

  function refusal(text: string | Buffer): UndropError {
    try {
      load(text);
    } catch (error) {
      if (!isUndropError(error)) throw error;
      expect(error).to.include({ code: 'bad-options', subject: join(folder, '.env') });
      expect(String(error)).not.to.include(secret);
      return error;
    }
    throw new Error(`${text} was not refused`);
  }

  it('does not override the environment, not even an empty variable', () => {
    process.env.UNDROP_TEST_A = 'environment';
    process.env.UNDROP_TEST_B = '';
    expect(load('UNDROP_TEST_A=file\nUNDROP_TEST_B=file\nUNDROP_TEST_C=file\n')).to.deep.equal({
      UNDROP_TEST_C: 'file',
    });
    expect([process.env.UNDROP_TEST_A, process.env.UNDROP_TEST_B]).to.deep.equal(['environment', '']);
  });

  it('may be missing or empty', () => {
    loadEnv(folder);
    expect(load('')).to.deep.equal({});
    expect(load('\n \t\n# nothing\n')).to.deep.equal({});
  });

  it('is parsed as dotenv documents it', () => {
    const text = `
      # A comment
      UNDROP_TEST_1=plain   # and one
      export UNDROP_TEST_2 = ' two words # '
      UNDROP_TEST_3="of
two lines\\nor three"
      UNDROP_TEST_4=\`it's "so"\` # it's
      UNDROP_TEST_5=
      UNDROP_TEST_6=postgres://u:p@h/db?sslmode=require`;
    const expected = {
      UNDROP_TEST_1: 'plain',
      UNDROP_TEST_2: ' two words # ',
      UNDROP_TEST_3: 'of\ntwo lines\nor three',
      UNDROP_TEST_4: `it's "so"`,
      UNDROP_TEST_5: '',
      UNDROP_TEST_6: 'postgres://u:p@h/db?sslmode=require',
    };
    expect(load(text)).to.deep.equal(expected);
    expect(load(text.replaceAll('\n', '\r\n'))).to.deep.equal(expected);
  });

  for (const [what, line] of Object.entries({
    'no assignment': `DATABASE_URL ${secret}`,
    'a colon': `DATABASE_URL: ${secret}`,
    'a name with a space': `DATABASE URL=${secret}`,
    'no name': `=${secret}`,
    'a quote that is not closed': `DATABASE_URL="${secret}`,
    'text after the closing quote': `DATABASE_URL='${secret}' or 'another'`,
    'a value without a name': `"${secret}"`,
    'a command': `set DATABASE_URL=${secret}`,
  }))
    it(`is refused with ${what}, naming the line`, () => {
      for (const newline of ['\n', '\r\n', '\r']) {
        const lines = ['# one', "UNDROP_TEST_1='", "three'", line, 'UNDROP_TEST_2=2', ''];
        expect(refusal(lines.join(newline)).reason).to.equal(
          'Line 4 is neither an assignment nor a comment.',
        );
      }
    });

  const text = `UNDROP_TEST_1=1\nDATABASE_URL=${secret}\n`;
  for (const [what, bytes, reason] of [
    ['a byte order mark', `\ufeff${text}`, 'Line 1 begins with a byte order mark.'],
    ['UTF-16', Buffer.from(`\ufeff${text}`, 'utf16le'), 'Line 1 begins with a byte order mark.'],
    [
      'UTF-16, big-endian',
      Buffer.from(`\ufeff${text}`, 'utf16le').swap16(),
      'Line 1 begins with a byte order mark.',
    ],
    ['UTF-16 without a byte order mark', Buffer.from(text, 'utf16le'), 'Line 1 is not text in UTF-8.'],
    ['Latin 1', Buffer.from(text.replace('=g', '=ü'), 'latin1'), 'Line 2 is not text in UTF-8.'],
  ] as const)
    it(`is refused in ${what}`, () => {
      expect(refusal(bytes).reason).to.equal(reason);
    });

  it('is refused if a quote contains the next assignment, but not if its lines only end with =', () => {
    const { reason } = refusal(`A=1\nAPPROVAL_NOTE='as agreed\nexport DATABASE_URL='#${secret}'`);
    expect(reason).to.equal('Line 2 opens a quote that is not closed before the next assignment.');
    const key = '-----BEGIN KEY-----\nabc+/d=\nabcd==\n-----END KEY-----';
    expect(load(`UNDROP_TEST_1="${key}"\n`)).to.deep.equal({ UNDROP_TEST_1: key });
  });

  it('is refused if it is a folder', () => {
    mkdirSync(join(folder, '.env'));
    expect(() => loadEnv(folder))
      .to.throw()
      .with.property('code', 'bad-options');
  });

  it('sets each variable or is refused, and skips no line', () => {
    const good = ['=1', '= 2 # two', `='#'`, '="a\nb"', '=`"`', ' =x y', '=a\\', `="\\""`, "='a\\'b'"];
    const bad = ['', ': 1', `='`, '="a\n', `="" x`, `=''''`, ' x=1'];
    let state = 11;
    const draw = (below: number) => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >> 8) % below;
    };
    for (let round = 0; round < 500; round++) {
      const names = Array.from({ length: 1 + draw(4) }, (_, index) => `UNDROP_TEST_${index}`);
      const hasBad = draw(2) === 1;
      const lines = names.map((name) => name + good[draw(good.length)]);
      if (hasBad) lines.splice(draw(lines.length + 1), 0, `UNDROP_TEST_BAD${bad[draw(bad.length)]}`);
      const content = lines.join('\n');
      if (hasBad) expect(() => load(content), content).to.throw(/cannot be read/);
      else expect(Object.keys(load(content)).sort(), content).to.deep.equal(names);
    }
  });

  it('stops commands and migrations before they use the embedded database', async () => {
    const project = makeProject();
    try {
      writeFileSync(join(project.folder, '.env'), `DATABASE_URL ${secret}\n`);
      const [command, migration] = await Promise.all([
        project.undrop('status'),
        project.knex('migrate:latest'),
      ]);
      expect(command.status, command.text).to.equal(2);
      expect(migration.status, migration.text).to.equal(1);
      for (const { text } of [command, migration])
        expect(text).to.include('bad-options').and.include('Line 1 is').and.not.include(secret);
      expect(existsSync(join(project.folder, '.undrop'))).to.equal(false);
    } finally {
      project.remove();
    }
  });

  it('is named by every command that finds no database, which then creates none', async () => {
    const project = makeProject();
    try {
      const commands = ['status', 'audit', 'backup', 'preflight', 'verify', 'count-tables', 'archive --list'];
      const ran = await Promise.all([
        ...commands.map((command) => project.undrop(command)),
        project.knex('migrate:latest'),
      ]);
      for (const { status, text } of ran) {
        expect(status, text).to.equal(1);
        expect(text).to.include('no-connection').and.include(join(project.folder, '.env'));
      }
      expect(existsSync(join(project.folder, '.undrop'))).to.equal(false);
      const embedded = await project.undrop('status', { env: { UNDROP_EMBEDDED: '1' } });
      expect(embedded.status, embedded.text).to.equal(0);
      expect((await project.undrop('count-tables')).status).to.equal(0);
    } finally {
      project.remove();
    }
  });
});
