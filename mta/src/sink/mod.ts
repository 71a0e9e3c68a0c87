/** A provider's host that takes mail and keeps a record of what it saw; behaves, and pushes back, as real providers do. */
export { type Behaviour, PROVIDERS, type ProviderName } from './behaviour.ts';
export { busiestWindow, type DeliveryObserver, Ledger, RATE_BUCKET_MS, type SourceRecord } from './ledger.ts';
export { type Sink, type SinkOptions, startSink } from './sink-server.ts';
