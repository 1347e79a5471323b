/**
 * The names of roles that tests make begin with this, since roles belong to the whole server and another run may use it too.
 * In the folders of cases they are named `case_…`, which `readCases` replaces.
 */
export const rolePrefix = `case_${process.pid}`;
