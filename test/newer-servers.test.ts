import { expect } from 'chai';
import { compareWithApt, compareWithNpm } from '../tools/newer-servers.ts';
import { installedNative, majors, nativeOf, pins } from './support/binaries.ts';

describe('newer servers than those of the tests', () => {
  const pinned = Object.values(pins);

  it('are reported if npm has one, with the files that pin it', () => {
    expect(compareWithNpm(['13.23.0-beta.15', '18.3.0-beta.9', ...pinned]).join()).not.to.include('newer');
    const said = compareWithNpm([...pinned, '14.100.0-beta.17', '15.100.0-beta.9', '15.100.0-beta.17']);
    expect(said).to.have.length(majors.length);
    expect(said.filter((line) => line.includes('newer'))).to.deep.equal([
      `npm: 14.100.0-beta.17 is newer than ${pins[14]}: name it in test/support/binaries.ts`,
      `npm: 15.100.0-beta.17 is newer than ${pins[15]}: name it in test/support/binaries.ts and package.json`,
    ]);
  });

  it('are reported if apt has one, and if it is newer than npm’s', () => {
    const policy = (name: string, installed: string, candidate: string) =>
      `${name}:\n  Installed: ${installed}\n  Candidate: ${candidate}\n  Version table:\n *** ${installed} 500\n`;
    const said = compareWithApt(
      policy('postgresql-14', '14.0-1', '14.0-1') +
        policy('postgresql-15', '15.0-1', '15.100-0+deb12u1') +
        policy('postgresql-16', '(none)', '16.100-1'),
    );
    const minor = (major: number) => pins[major]?.split('.').slice(0, 2).join('.');
    expect(said).to.deep.equal([
      'apt: postgresql-14 14.0-1 is the newest',
      `apt: postgresql-15 15.100-0+deb12u1 is newer than 15.0-1: apt-get install postgresql-15; npm's is ${minor(15)}`,
      `apt: postgresql-16 16.100-1 is not installed; npm's is ${minor(16)}`,
    ]);
  });

  it('are compared with the installed server: package.json has the pinned version', () => {
    expect(nativeOf('15')).to.equal(installedNative());
  });
});
