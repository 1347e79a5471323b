// Bytes that form UTF-8. In a database in SQL_ASCII, each byte is a character of a regular expression.
// https://www.unicode.org/versions/latest/core-spec/chapter-3/#G27506, table "Well-Formed UTF-8 Byte Sequences"
const utf8 = [
  String.raw`[\x01-\x7f]`,
  String.raw`[\xc2-\xdf][\x80-\xbf]`,
  String.raw`\xe0[\xa0-\xbf][\x80-\xbf]`,
  String.raw`[\xe1-\xec\xee\xef][\x80-\xbf]{2}`,
  String.raw`\xed[\x80-\x9f][\x80-\xbf]`,
  String.raw`\xf0[\x90-\xbf][\x80-\xbf]{2}`,
  String.raw`[\xf1-\xf3][\x80-\xbf]{3}`,
  String.raw`\xf4[\x80-\x8f][\x80-\xbf]{2}`,
].join('|');

/** SQL: whether a text of the database has bytes that are not UTF-8, so that the server cannot send it to the driver. */
export function illegibleSql(text: string): string {
  return /* sql */ `(pg_catalog.getdatabaseencoding() = 'SQL_ASCII' and ${text} !~ '^(?:${utf8})*$')`;
}

/** SQL: the text; if it is illegible, with its bytes above 127 as escapes such as `\351`. */
export function legibleSql(text: string): string {
  const bytes = `pg_catalog.convert_to(${text}, 'SQL_ASCII')`;
  return `case when ${illegibleSql(text)} then pg_catalog.encode(${bytes}, 'escape') else ${text} end`;
}
