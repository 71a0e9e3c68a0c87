/** What the operator of an MTA wrote: the settings file, the resources directory, and where each is wrong. */

export type { Problem } from '@sluice/crds';
export { formatByteSize, parseByteSize } from './byte-size.ts';
export type { ConfigMapSettings } from './config-map-settings.ts';
export { DNS_ATTEMPTS, DNS_TIMEOUT_MS, SMTP_PORT } from './defaults.ts';
export {
  OVER_SIGNED_HEADERS,
  OVER_SIGNED_PRESENT_HEADERS,
  SIGNED_HEADERS,
} from './dkim-schema.ts';
export type * from './dkim-settings.ts';
export type * from './event-stream-settings.ts';
export { compileFiles, type GivenFiles, readGivenFiles } from './given-files.ts';
export { formatHostPort, type HostPort, parseHostPort } from './host-port.ts';
export type * from './jetstream-settings.ts';
export type { LogFields, Logger } from './logger.ts';
export { type Network, parseNetwork } from './network.ts';
export { plainReason } from './plain-reason.ts';
export { NO_LIBRARY, providerLibrary } from './provider-library.ts';
export { providersPage } from './providers-page.ts';
export { loadProxyUsers } from './proxy-users.ts';
export type { ResourceFiles } from './resource-directory.ts';
export type { ResourceSet } from './resource-set.ts';
export type { ResourceState } from './resource-state.ts';
export type * from './settings.ts';
export {
  type LoadedSettings,
  loadSettings,
  type SecretFiles,
  settingsFrom,
} from './settings-file.ts';
export { settingsPage } from './settings-page.ts';
export { settingsSchema } from './settings-schema.ts';
export { type Surroundings, thisMachine } from './surroundings.ts';
export { missingCredentials, unknownNames } from './unknown-names.ts';
export { watchConfigMaps } from './watch-config-maps.ts';
export { type FileWatch, watchFiles } from './watch-files.ts';
export { type ResourceWatch, type WatchOptions, watchResources } from './watch-resources.ts';
