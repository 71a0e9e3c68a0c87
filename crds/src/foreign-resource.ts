import type { Place } from './errors.ts';
import { valueAt } from './field-path.ts';
import { nearestName } from './nearest-name.ts';
import { RESOURCE_KINDS } from './resource.ts';
import { API_GROUP } from './resource-metadata.ts';
import type { YamlDocument } from './yaml-document.ts';

/** A resource of another program: part of what Helm or Kustomize print, and none of our business. */
export interface ForeignResource {
  readonly apiVersion: string;
  readonly kind: string;
  /** `''` = it has none. */
  readonly name: string;
  readonly place: Place;
}

/**
 * Whether a document is somebody else's: it says so by the group of its `apiVersion`, and neither the group nor the kind looks like one of ours
 * that is mistyped. `undefined` = it is ours, or meant to be.
 *
 * Example: `apps/v1` `Deployment` → foreign; `sluice.emial/v1alpha1` or `EgresPool` → a mistake
 */
export function foreignResource({ value, place }: YamlDocument): ForeignResource | undefined {
  const [apiVersion, kind] = [valueAt(value, ['apiVersion']), valueAt(value, ['kind'])];
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || apiVersion === '' || kind === '')
    return undefined;
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  if (nearestName(group, [API_GROUP]) !== undefined || nearestName(kind, OUR_KINDS) !== undefined)
    return undefined;
  const name = valueAt(value, ['metadata', 'name']);
  return { apiVersion, kind, name: typeof name === 'string' ? name : '', place };
}

/** Those of files, and the settings. */
const OUR_KINDS = [...RESOURCE_KINDS, 'MtaConfig'];
