import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import { beginFolder, finishFolder } from './support/build.ts';

describe('builds that several processes share', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'undrop-builds-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('are removed by the next one, except those that another process has begun', () => {
    const first = beginFolder(join(folder, 'first'));
    const second = beginFolder(join(folder, 'second'));
    writeFileSync(join(first, 'file'), '');
    finishFolder(first, join(folder, 'first'));
    expect(readdirSync(folder).sort()).to.deep.equal(['first', basename(second)].sort());
    expect(readdirSync(join(folder, 'first'))).to.deep.equal(['file']);
    const third = beginFolder(join(folder, 'third'));
    expect(readdirSync(folder).sort()).to.deep.equal([second, third].map((path) => basename(path)).sort());
  });

  it('are made once if two processes make the same one', () => {
    const paths = [beginFolder(join(folder, 'same')), beginFolder(join(folder, 'same'))];
    for (const path of paths) writeFileSync(join(path, basename(path)), '');
    for (const path of paths) finishFolder(path, join(folder, 'same'));
    expect(readdirSync(folder)).to.deep.equal(['same']);
    expect(readdirSync(join(folder, 'same'))).to.deep.equal([basename(paths[0] ?? '')]);
    beginFolder(join(folder, 'same'));
    expect(readdirSync(folder)).to.include('same');
  });

  it('are removed a day after their process was killed', () => {
    const left = join(folder, 'new-left');
    mkdirSync(left);
    utimesSync(left, new Date(0), new Date(0));
    beginFolder(join(folder, 'next'));
    expect(existsSync(left)).to.equal(false);
  });
});
