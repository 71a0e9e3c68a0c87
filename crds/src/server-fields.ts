/** Members of `metadata` that only the API server, or a controller, writes: in what `kubectl get -o yaml` prints and a watch delivers. */
const SERVER_METADATA = new Set([
  'creationTimestamp',
  'deletionGracePeriodSeconds',
  'deletionTimestamp',
  'finalizers',
  'generateName',
  'generation',
  'managedFields',
  'ownerReferences',
  'resourceVersion',
  'selfLink',
  'uid',
]);

/** A resource without `status` and without what the API server keeps in `metadata`; the very object where there is none of it. */
export function withoutServerFields(resource: object): object {
  const metadata: unknown = Reflect.get(resource, 'metadata');
  const isMap = typeof metadata === 'object' && metadata !== null && !Array.isArray(metadata);
  const added = isMap && Object.keys(metadata).some((member) => SERVER_METADATA.has(member));
  if (!added && !Object.hasOwn(resource, 'status')) return resource;
  const rest = Object.entries(resource).filter(([member]) => member !== 'status');
  if (!added) return Object.fromEntries(rest);
  const own = Object.entries(metadata).filter(([member]) => !SERVER_METADATA.has(member));
  return { ...Object.fromEntries(rest), metadata: Object.fromEntries(own) };
}
