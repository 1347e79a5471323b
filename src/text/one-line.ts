/** Joins the lines of a text that a person wrote, such as a comment, for a place that has one line. */
export function oneLine(text: string): string {
  return text
    .trim()
    .split(/\s*\n\s*/)
    .join(' ');
}
