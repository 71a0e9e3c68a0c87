/** `sluice proxy`: the SOCKS5 proxy of egress nodes. */
export * from './proxy-options.ts';
export { type ProxyServer, startProxy } from './proxy-server.ts';
