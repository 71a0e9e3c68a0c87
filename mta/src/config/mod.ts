/** What the operator of an MTA wrote: the settings file, the resources directory, and where each is wrong. */

export type { Problem } from '@sluice/crds';
export { formatByteSize, parseByteSize } from './byte-size.ts';
export { formatHostPort, type HostPort, parseHostPort } from './host-port.ts';
export type { LogFields, Logger } from './logger.ts';
export { type Network, parseNetwork } from './network.ts';
export type { ResourceState } from './resource-state.ts';
export { type SchemaMember, schemaMember } from './schema-member.ts';
export type * from './settings.ts';
export { type LoadedSettings, loadSettings, type Surroundings, thisMachine } from './settings-file.ts';
export { settingsPage } from './settings-page.ts';
export { type ResourceWatch, type WatchOptions, watchResources } from './watch-resources.ts';
