/** Where the mail of a domain goes: DNS, MX, static routes, sites, addresses. */
export { bestPreferenceHosts, type MxHost, type NoRoute, type NoRouteCause, type Route } from './route.ts';
export { createRouter, type Router, type RouterOptions } from './router.ts';
export { siteName } from './site-name.ts';
export { refusalOf } from './target-filter.ts';
export type { HostAddress, Target } from './targets.ts';
