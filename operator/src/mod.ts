/** The operator: the Kubernetes shell around `compile`. A room with its door; what goes in it comes with the cluster. */
export { SluiceError } from '@sluice/crds';
