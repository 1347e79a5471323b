import { expect } from 'chai';
import { writeNewFile } from '../src/script/write-new-file.ts';
import { refusalOf } from './support/migrate.ts';
import { useProject } from './support/source-project.ts';

describe('a new file', () => {
  const project = useProject();

  const write = (file: string, force = false) =>
    writeNewFile(project.path(file), 'new', force, 'It is kept.', 'Choose.');

  it('is written, with the folders of its path', async () => {
    await write('a/b/c.txt');
    expect(project.read('a/b/c.txt')).to.equal('new');
  });

  it('is not written over an old one, except with force', async () => {
    project.write('old.txt', 'old');
    const { message, reason, next } = await refusalOf(write('old.txt'), 'name-taken');
    expect([message, reason, next]).to.deep.equal([
      `${project.path('old.txt')} already exists.`,
      'It is kept.',
      'Choose.',
    ]);
    expect(project.read('old.txt')).to.equal('old');
    await write('old.txt', true);
    expect(project.read('old.txt')).to.equal('new');
  });

  for (const [title, file, force] of [
    ['a file', 'old.txt/new.txt', false],
    ['below a file', 'old.txt/a/new.txt', false],
    ['a file, with force', 'old.txt/new.txt', true],
  ] as const)
    it(`cannot be written into a folder that is ${title}`, async () => {
      project.write('old.txt', 'old');
      const error = await refusalOf(write(file, force), 'bad-options');
      expect(error.message).to.equal(`${project.path(file)} cannot be written.`);
      expect(project.read('old.txt')).to.equal('old');
    });

  it('cannot be written over a folder, even with force', async () => {
    project.write('folder/file.txt', 'old');
    await refusalOf(write('folder'), 'name-taken');
    await refusalOf(write('folder', true), 'bad-options');
    expect(project.read('folder/file.txt')).to.equal('old');
  });
});
