import { expect } from 'chai';
import { readFactDigests } from '../src/catalog/facts/fact-digests.ts';
import { reversibleDrop } from '../src/index.ts';
import { inSession } from '../src/session/session.ts';
import { quietly } from '../src/text/log.ts';
import { inCase } from './support/case-folders.ts';
import { refusalOf } from './support/migrate.ts';
import { useServer } from './support/use-database.ts';

const migration = reversibleDrop({ name: 'drop_posts', tables: ['posts'], dependents: 'cascade' });

describe('types that are altered', () => {
  const server = useServer();
  it('leave no difference in the record of the database', async () => {
    const schema = `
      create table posts (id serial primary key, state varchar(10) default 'new');
      alter table posts alter state type varchar(20);
      create type page as (items posts[], total int)`;
    await inCase(server, schema, async (run) => {
      const digests = () => inSession(run.knex, (session) => readFactDigests(session));
      const before = await digests();
      await quietly(() => run.up(migration));
      await quietly(() => run.down(migration));
      const after = await digests();
      expect(Object.keys(before)).to.include('table column public.posts.state');
      for (const [identity, digest] of Object.entries(before))
        expect(after[identity], identity).to.equal(digest);
    });
  });

  const schema = (attributes: string) => `
    create table posts (id serial primary key);
    create type page as (${attributes})`;

  it('are not restored with attributes in the middle while a value of the type may exist', async () => {
    await inCase(server, schema('items posts[], total int'), async (run) => {
      await quietly(() => run.up(migration));
      await run.knex.raw('create view first_page as select row(1)::page as value');
      const { reason } = await refusalOf(run.down(migration), 'restore-failed');
      expect(reason).to.equal(
        'public.page is used by rule "_RETURN" on public.first_page, view column public.first_page.value now.',
      );
      await run.knex.raw('drop view first_page');
      await quietly(() => run.down(migration));
    });
  });

  it('are restored with attributes at the end, and views of the type go on working', async () => {
    await inCase(server, schema('total int, items posts[]'), async (run) => {
      await quietly(() => run.up(migration));
      await run.knex.raw('create view first_page as select row(1)::page as value');
      await quietly(() => run.down(migration));
      expect(await run.rows('select (value).* from first_page')).to.deep.equal([{ total: 1, items: null }]);
    });
  });
});
