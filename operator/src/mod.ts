/** The operator: the Kubernetes shell around `compile`. */
export { type ClusterAccess, inClusterAccess, kubeconfigAccess } from './kube/mod.ts';
export { type Operator, type OperatorOptions, startOperator } from './operator.ts';
