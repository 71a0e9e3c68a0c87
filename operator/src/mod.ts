/** The operator: the Kubernetes shell around `compile`. */
export { feedbackPermissions, type NatsAccess } from './feedback/mod.ts';
export {
  ApiClient,
  type ClusterAccess,
  inClusterAccess,
  type KubeObject,
  kubeconfigAccess,
  Reflector,
} from './kube/mod.ts';
export { type Operator, type OperatorOptions, startOperator } from './operator.ts';
