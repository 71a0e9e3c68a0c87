/** Where a pod finds the ConfigMaps that `sluice-operator` writes. */
export interface ConfigMapSettings {
  /** `--name` of the operator: value of the label `sluice.email/config`. */
  readonly release: string;
  /** Absent = the namespace of the service account. */
  readonly namespace?: string;
  /** Absolute path of the directory in which they are mounted too, one directory each; absent = they are not. */
  readonly mountDirectory?: string;
  /** Absolute path of `ca.crt`, `namespace` and `token`. */
  readonly serviceAccountDirectory: string;
}

/** Where the kubelet mounts the service account. */
export const SERVICE_ACCOUNT_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';
