/** The language of the system: resources, compile, and the configuration that the MTA runs. */
export type * from './effective-policy.ts';
export type * from './egress-config.ts';
export { ERRORS, type ErrorCode, errorText, type Place, SluiceError } from './errors.ts';
export { errorsPage } from './errors-page.ts';
