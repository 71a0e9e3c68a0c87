/** The language of the system: resources, compile, and the configuration that the MTA runs. */
export { canonicalJson, contentHash } from './canonical-json.ts';
export { type Compiled, type CompileOptions, compile } from './compile.ts';
export type { Condition, ConditionReason, ResourceStatus } from './condition.ts';
export { conditionsPage } from './conditions-page.ts';
export { newestSet, type WholeSet } from './config-set.ts';
export {
  type ConfigSet,
  type ConfigShard,
  formsOf,
  packConfigSet,
  parseShardHeader,
  SHARD_MEMBERS,
  type ShardHeader,
} from './config-shard.ts';
export * from './defaults.ts';
export { definitionFiles } from './definition-files.ts';
export { isDomainName, normalDomain, suffixesOf } from './domain-name.ts';
export { formatDuration, parseDuration } from './duration.ts';
export { effectivePolicy } from './effective.ts';
export type * from './effective-policy.ts';
export type * from './egress-config.ts';
export { parseEgressConfig } from './egress-config-schema.ts';
export { type EgressPool, egressPoolSchema } from './egress-pool.ts';
export { EGRESS_POOL_PAGE } from './egress-pool-page.ts';
export {
  type EgressReport,
  MAX_REPORTED,
  NOTHING_TO_REPORT,
  parseEgressReport,
  reportText,
  type Suspension,
  type UnreachableSource,
  wayOutText,
} from './egress-report.ts';
export { ERRORS, type ErrorCode, errorText, type Place, SluiceError } from './errors.ts';
export { errorsPage } from './errors-page.ts';
export { type BoundsExplanation, type ExplainedBound, explainBounds } from './explain-bounds.ts';
export {
  type ExplainedDestination,
  type ExplainedField,
  type ExplainedLimit,
  type ExplainedReaction,
  explainPolicy,
  type Origin,
  type PolicyExplanation,
  type RemovedLimit,
} from './explain-policy.ts';
export { type FieldRow, fieldRows, table } from './field-table.ts';
export type { ForeignResource } from './foreign-resource.ts';
export { formHash } from './form-hash.ts';
export type { CompileInput } from './form-in-force.ts';
export { canonicalAddress } from './ip-address.ts';
export { LIMIT_FIELDS } from './limit.ts';
export { boundsFor } from './limit-bounds.ts';
export { limitKeyId } from './limit-key.ts';
export { nearestName } from './nearest-name.ts';
export { type PodFacts, podFactsSchema } from './pod-facts.ts';
export { type PoolFacts, selectMatch, selectPool } from './pool-selection.ts';
export { formatProblem, type Problem } from './problem.ts';
export { PROVIDER_LIBRARY } from './provider-library.ts';
export { formatRate, parseRate } from './rate.ts';
export {
  type ParsedResource,
  type RejectedResource,
  type Resource,
  type ResourceKind,
  resourceKey,
} from './resource.ts';
export { API_GROUP, API_VERSION } from './resource-metadata.ts';
export { resourcePage } from './resource-page.ts';
export { type ParsedFile, parseResources, resourceInput, validateResource } from './resource-parser.ts';
export { type FieldForm, type SchemaMember, schemaMember } from './schema-member.ts';
export { type ShapingPolicy, shapingPolicySchema } from './shaping-policy.ts';
export { SHAPING_POLICY_PAGE } from './shaping-policy-page.ts';
export { MAX_STATUS_SOURCES, MAX_STATUS_SUSPENSIONS } from './status-schema.ts';
export { yamlBounds } from './yaml-bounds.ts';
