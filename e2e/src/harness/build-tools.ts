/** Builds the programs of `e2e/tools` that are not built yet: `node e2e/src/harness/build-tools.ts`. Never fails: who needs one skips. */
import { ETCD, goTool, KUBE_APISERVER, KUBECTL, NATS_CLI, NATS_SERVER } from './go-tool.ts';

for (const tool of [NATS_SERVER, NATS_CLI, ETCD, KUBE_APISERVER, KUBECTL]) {
  const found = await goTool(tool);
  process.stdout.write('path' in found ? `${found.path}\n` : `SKIPPED: ${tool.name}: ${found.missing}\n`);
}
