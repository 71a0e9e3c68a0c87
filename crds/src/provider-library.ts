/** Directory of the policies for mailbox providers that come with Sluice: `*.yaml`, priority -1000, below every policy of a user. */
export const PROVIDER_LIBRARY = new URL('../providers/', import.meta.url);
