import { code, markdownTable } from '../text/markdown.ts';
import { size } from '../text/units.ts';
import { type Stage, stageName, withShare } from './impact.ts';

/** Formats the stages as a Markdown table. */
export function impactTable(stages: readonly Stage[]): string[] {
  return markdownTable(
    ['', 'tables', 'empty', 'size', 'saved'],
    stages.map((stage) => [
      code(stageName(stage)),
      stage.tables,
      withShare(stage.empty, stage.tables),
      size(stage.bytes),
      stage.saved === 0 ? '' : size(stage.saved),
    ]),
    ['---', '--:', '--:', '--:', '--:'],
  );
}
