/** Whether the error of an import, or of a require in the CommonJS build, says that a package is not installed. */
export function isMissing(error: unknown): boolean {
  return ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes(String(Object(error).code));
}
