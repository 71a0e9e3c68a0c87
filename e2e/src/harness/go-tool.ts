import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A program of `e2e/tools`: its folder, and the Go package that it is built from. */
export interface GoTool {
  readonly name: string;
  readonly module: string;
  readonly package: string;
  /** Folder of `e2e/tools`; absent = the program's name. */
  readonly folder?: string;
  /** Where the program keeps its version: variables that the linker sets. */
  readonly versionVariables?: (versionOf: VersionOf) => Readonly<Record<string, string>>;
}

/** The version that the tool's `go.mod` pins; default: of its own module. */
type VersionOf = (module?: string) => string;

export const NATS_SERVER: GoTool = {
  name: 'nats-server',
  module: 'github.com/nats-io/nats-server/v2',
  package: 'github.com/nats-io/nats-server/v2',
};

/** The command line of NATS: no test needs it, people do. */
export const NATS_CLI: GoTool = {
  name: 'nats',
  module: 'github.com/nats-io/natscli',
  package: 'github.com/nats-io/natscli/nats',
};

/** Without these `kube-apiserver` says that it is `v0.0.0-master`, and clients that look at versions misbehave. */
const kubernetes = (name: string): GoTool => ({
  name,
  folder: 'kubernetes',
  module: 'k8s.io/kubernetes',
  package: `k8s.io/kubernetes/cmd/${name}`,
  versionVariables: (versionOf) => {
    const version = versionOf();
    const [major = '', minor = ''] = version.slice(1).split('.');
    const path = 'k8s.io/component-base/version';
    return {
      [`${path}.gitVersion`]: version,
      [`${path}.gitMajor`]: major,
      [`${path}.gitMinor`]: minor,
      [`${path}.gitTreeState`]: 'clean',
    };
  },
});

export const KUBE_APISERVER = kubernetes('kube-apiserver');
export const KUBE_CONTROLLER_MANAGER = kubernetes('kube-controller-manager');
export const KUBE_SCHEDULER = kubernetes('kube-scheduler');
export const KUBECTL = kubernetes('kubectl');

export const ETCD: GoTool = {
  name: 'etcd',
  module: 'go.etcd.io/etcd/server/v3',
  package: 'go.etcd.io/etcd/server/v3',
};

/** Charts are rendered by both: they differ in templates, schemas and in how they apply. */
export const HELM_3: GoTool = {
  name: 'helm',
  folder: 'helm-3',
  module: 'helm.sh/helm/v3',
  package: 'helm.sh/helm/v3/cmd/helm',
  versionVariables: (versionOf) => {
    // The Kubernetes that `helm template` believes to speak to; without them 1.20, and a chart's `kubeVersion` refuses. Helm 4 finds out by itself.
    const [, minor = ''] = versionOf('k8s.io/client-go').split('.');
    return {
      'helm.sh/helm/v3/internal/version.version': versionOf(),
      'helm.sh/helm/v3/internal/version.gitTreeState': 'clean',
      'helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor': '1',
      'helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor': minor,
      'helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor': '1',
      'helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor': minor,
    };
  },
};

export const HELM_4: GoTool = {
  name: 'helm',
  folder: 'helm-4',
  module: 'helm.sh/helm/v4',
  package: 'helm.sh/helm/v4/cmd/helm',
  versionVariables: (versionOf) => ({
    'helm.sh/helm/v4/internal/version.version': versionOf(),
    'helm.sh/helm/v4/internal/version.gitTreeState': 'clean',
  }),
};

/** From this version on Go fetches the toolchain that a `go.mod` names. */
const LEAST_GO_MINOR = 21;

const TOOLS = fileURLToPath(new URL('../../tools/', import.meta.url));
const CACHE = fileURLToPath(new URL('../../../.cache/tools/', import.meta.url));

/** Where the program is, or why it is not there. */
export type FoundTool = { readonly path: string } | { readonly missing: string };

/** The program if it was built before; never builds. */
export function builtTool(tool: GoTool): FoundTool {
  const path = pathOf(tool);
  if (existsSync(path)) return { path };
  const go = goProblem();
  return { missing: go ?? `${tool.name} is not built: npm run tools` };
}

/**
 * The program, built now if need be; says on standard error what it does, as a first build takes a minute.
 *
 * Example: `const found = await goTool(NATS_SERVER); if ('missing' in found) return;`
 */
export async function goTool(tool: GoTool): Promise<FoundTool> {
  const built = builtTool(tool);
  if ('path' in built) return built;
  const problem = goProblem();
  if (problem !== undefined) return { missing: problem };
  const path = pathOf(tool);
  const startMs = performance.now();
  process.stderr.write(`building ${tool.name} ${versionOf(tool)} …\n`);
  // Tests in several processes may build at once: each into a place of its own, the last to finish wins.
  const directory = `${path}.${process.pid}`;
  mkdirSync(directory, { recursive: true });
  try {
    const failure = await build(tool, `${directory}/${tool.name}`);
    if (failure !== undefined) return { missing: `${tool.name} does not build: ${failure}` };
    renameSync(`${directory}/${tool.name}`, path);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
  process.stderr.write(`built ${tool.name} in ${Math.round((performance.now() - startMs) / 1000)} s\n`);
  return { path };
}

function pathOf(tool: GoTool): string {
  return `${CACHE}${tool.name}-${versionOf(tool)}-${process.platform}-${process.arch}/${tool.name}`;
}

/** The version of a module that the folder's `go.mod` pins. */
function versionOf(tool: GoTool, module = tool.module): string {
  const text = readFileSync(`${TOOLS}${folderOf(tool)}/go.mod`, 'utf8');
  const line = text.split('\n').find((each) =>
    each
      .trim()
      .replace(/^require /, '')
      .startsWith(`${module} v`),
  );
  const version = line
    ?.trim()
    .replace(/^require /, '')
    .split(' ')[1];
  if (version === undefined) throw new Error(`e2e/tools/${folderOf(tool)}/go.mod does not name ${module}`);
  return version;
}

function folderOf({ name, folder = name }: GoTool): string {
  return folder;
}

/** Why nothing can be built here; `undefined` = it can. */
function goProblem(): string | undefined {
  let text: string;
  try {
    text = execFileSync('go', ['env', 'GOVERSION'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return 'there is no Go toolchain (Debian package golang-go)';
  }
  const minor = Number(/^go1\.(\d+)/.exec(text)?.[1]);
  return minor >= LEAST_GO_MINOR ? undefined : `Go is ${text.trim()}, 1.${LEAST_GO_MINOR} is the least`;
}

function build(tool: GoTool, output: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const variables = Object.entries(tool.versionVariables?.((module) => versionOf(tool, module)) ?? {});
    const ldflags = ['-s', '-w', ...variables.map(([name, value]) => `-X ${name}=${value}`)].join(' ');
    const flags = ['-trimpath', '-buildvcs=false', '-ldflags', ldflags];
    const child = spawn('go', ['build', ...flags, '-o', output, tool.package], {
      cwd: `${TOOLS}${folderOf(tool)}`,
      env: { ...process.env, GOTOOLCHAIN: 'auto', CGO_ENABLED: '0' },
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    let last = '';
    createInterface({ input: child.stderr }).on('line', (line) => {
      last = line;
      process.stderr.write(`  ${line}\n`);
    });
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code) => resolve(code === 0 ? undefined : last || `go ended with ${code}`));
  });
}
