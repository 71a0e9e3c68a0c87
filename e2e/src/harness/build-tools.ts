/** Builds the programs of `e2e/tools` that are not built yet: `node e2e/src/harness/build-tools.ts`. Never fails: who needs one skips. */
import {
  ETCD,
  goTool,
  HELM_3,
  HELM_4,
  KUBE_APISERVER,
  KUBE_CONTROLLER_MANAGER,
  KUBE_SCHEDULER,
  KUBECTL,
  NATS_CLI,
  NATS_SERVER,
} from './go-tool.ts';

const KUBERNETES = [ETCD, KUBE_APISERVER, KUBECTL, KUBE_CONTROLLER_MANAGER, KUBE_SCHEDULER];

for (const tool of [NATS_SERVER, NATS_CLI, ...KUBERNETES, HELM_3, HELM_4]) {
  const found = await goTool(tool);
  process.stdout.write('path' in found ? `${found.path}\n` : `SKIPPED: ${tool.name}: ${found.missing}\n`);
}
