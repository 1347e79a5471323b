import { expect } from 'chai';
import { describeSpreadTables } from '../src/catalog/spread.ts';
import { UndropError } from '../src/errors.ts';
import { describeServer, featuresOf, refuseOtherProducts } from '../src/session/server.ts';

function refusalOf(work: () => unknown): UndropError {
  try {
    work();
  } catch (error) {
    if (error instanceof UndropError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('servers', () => {
  for (const [version, number] of [
    ['14.0', 140000],
    ['15.18 (Debian 15.18-1.pgdg120+1)', 150018],
    ['16.14', 160014],
    ['17.10', 170010],
    ['18.4', 180004],
  ] as const) {
    it(`${version} is accepted`, () => {
      expect(describeServer(version, number, version, {})).to.include({
        version,
        major: Math.floor(number / 10_000),
      });
    });
  }

  it('have the features of their major version', () => {
    const features = (major: number) =>
      Object.entries(featuresOf(major)).flatMap(([name, has]) => (has ? [name] : []));
    const with16 = [
      'generatedInChildren',
      'lastReads',
      'publicationColumns',
      'publishedSchemas',
      'setOption',
      'unloggedSequences',
    ];
    const steps = {
      14: ['viewsNameThemselves'],
      15: ['publicationColumns', 'publishedSchemas', 'unloggedSequences', 'viewsNameThemselves'],
      16: with16,
      17: [...with16, 'maintain', 'namedDomainNotNull'].sort(),
      18: [...with16, 'maintain', 'namedDomainNotNull', 'namedNotNull'].sort(),
    };
    for (const [major, expected] of Object.entries(steps)) {
      expect(features(Number(major)).sort(), major).to.deep.equal(expected);
    }
  });

  for (const [version, number, next] of [
    ['13.23', 130023, 'Upgrade the server to 14'],
    ['9.6.24', 90624, 'Upgrade the server to 14'],
    ['19beta1', 190000, 'UNDROP_ALLOW_SERVER=19'],
  ] as const) {
    it(`${version} is refused, with the list`, () => {
      const error = refusalOf(() => describeServer(version, number, version, {}));
      expect(error.code).to.equal('unsupported-server');
      expect(error.reason).to.include('14, 15, 16, 17, 18');
      expect(error.next).to.include(next);
    });
  }

  it('that are newer are accepted only by UNDROP_ALLOW_SERVER', () => {
    expect(describeServer('19beta1', 190000, '', { UNDROP_ALLOW_SERVER: '19' }).major).to.equal(19);
    for (const [number, allowed] of [
      [190000, '20'],
      [190000, 'yes'],
      [130000, '13'],
    ] as const) {
      const env = { UNDROP_ALLOW_SERVER: allowed };
      expect(refusalOf(() => describeServer('x', number, '', env)).code).to.equal('unsupported-server');
    }
  });
});

describe('products that use the PostgreSQL protocol', () => {
  for (const [name, banner] of [
    [
      'CockroachDB',
      'CockroachDB CCL v23.2.4 (x86_64-pc-linux-gnu, built 2024/04/08 21:49:00, go1.21.5 X:nocoverageredesign)',
    ],
    [
      'YugabyteDB',
      'PostgreSQL 11.2-YB-2.20.1.3-b0 on x86_64-pc-linux-gnu, compiled by clang version 16.0.6, 64-bit',
    ],
    [
      'YugabyteDB',
      'PostgreSQL 15.2-YB-2.25.0.0-b489 on x86_64-pc-linux-gnu, compiled by clang version 17.0.6, 64-bit',
    ],
    [
      'Amazon Redshift',
      'PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 (Red Hat 3.4.2-6.fc3), Redshift 1.0.63269',
    ],
    [
      'Greenplum',
      'PostgreSQL 12.12 (Greenplum Database 7.1.0 build commit:e7c2b1f14b) on x86_64-pc-linux-gnu, compiled by gcc, 64-bit',
    ],
  ] as const) {
    it(`${name} is refused, with the reason: ${banner.slice(0, 28)}`, () => {
      const error = refusalOf(() => refuseOtherProducts(banner));
      expect(error.code).to.equal('unsupported-server');
      expect(error.message).to.equal(`${name} is not supported.`);
      expect(error.reason).to.match(/^It/);
      expect(error.next).to.include('14 to 18');
    });
  }

  for (const banner of [
    'PostgreSQL 15.18 (Debian 15.18-0+deb12u1) on x86_64-pc-linux-gnu, compiled by gcc (Debian 12.2.0-14+deb12u1) 12.2.0, 64-bit',
    'PostgreSQL 18.4 on x86_64-pc-linux-gnu, compiled by gcc, 64-bit',
    'PostgreSQL 16.4 on aarch64-unknown-linux-gnu, compiled by aarch64-unknown-linux-gnu-gcc (GCC) 9.5.0, 64-bit',
    'PostgreSQL 14.9 (EnterpriseDB Advanced Server 14.9.0) on x86_64-pc-linux-gnu, compiled by gcc, 64-bit',
  ]) {
    it(`accepts PostgreSQL itself: ${banner.slice(0, 28)}`, () => refuseOtherProducts(banner));
  }
});

describe('tables distributed by an extension', () => {
  it('are refused with the reason', () => {
    const obstacles = describeSpreadTables([
      { identity: 'public.events', by: 'citus' },
      { identity: 'public.metrics', by: 'hypertable' },
      { identity: '_timescaledb_internal._hyper_1_1_chunk', by: 'chunk' },
    ]);
    expect(obstacles.map(({ identity }) => identity)).to.deep.equal([
      'public.events',
      'public.metrics',
      '_timescaledb_internal._hyper_1_1_chunk',
    ]);
    expect(obstacles.map(({ reason }) => reason).join()).to.match(/Citus.*hypertable of TimescaleDB.*chunk/);
  });
});
