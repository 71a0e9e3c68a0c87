import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { argoHealth, skipWithoutLua } from '../harness/argo-health.ts';
import { type ControlPlane, skipWithoutControlPlane, startControlPlane } from '../harness/control-plane.ts';
import { goTool, NATS_SERVER } from '../harness/go-tool.ts';
import { bothHelms, CHART, type Helm } from '../harness/helm.ts';
import { isInOwnNetwork, runInOwnNetwork, whyNoOwnNetwork } from '../harness/own-network.ts';
import { ProcessKubelet } from '../harness/process-kubelet.ts';
import { resource } from '../harness/sluice-process.ts';
import { startProgram } from '../harness/started-program.ts';
import { until } from '../harness/until.ts';

const NOT_COVERED = 'the chart on a real API server, its pods as processes';
const TESTDATA = fileURLToPath(new URL('../../../charts/testdata/', import.meta.url));
const SLUICE = fileURLToPath(import.meta.resolve('@sluice/mta/main'));
const COMPONENT = 'app.kubernetes.io/component';
const START_MS = 60_000;
/** How quickly, operator.test.ts says; here others use the machine too. */
const SETTLE_MS = 20_000;
const RESTRICTED = ['enforce', 'warn', 'audit'].map(
  (mode) => `pod-security.kubernetes.io/${mode}=restricted`,
);

/** Small, so that the test is short: the stops of pods are waited for. */
const VALUES = [
  'mta: {preStopSeconds: 1, drainSeconds: 20}',
  'nats: {maxBytes: 64Mi, maxDeferredBytes: 64Mi, journalBytes: 32Mi, server: {storage: {size: 1Gi}}}',
].join('\n');

const WITH_SECRETS = [
  'operator: {replicas: 1}',
  'smtp: {listeners: [{name: smtp, port: 2525, servicePort: 25, auth: {secretName: smtp-users, requireTls: Disabled}}]}',
  'mta:',
  '  replicas: 1',
  '  preStopSeconds: 1',
  '  secrets: [{name: dkim, secretName: dkim-keys}]',
  '  settings:',
  '    dkim: {rules: [{name: all, signatures: [{selector: s1, keyFile: "/etc/sluice/secrets/dkim/{domain}.pem"}]}]}',
  'nats: {maxBytes: 64Mi, maxDeferredBytes: 64Mi, journalBytes: 32Mi, server: {storage: {size: 1Gi}}}',
].join('\n');

const secret = (name: string, stringData: Readonly<Record<string, string>>): unknown => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name },
  stringData,
});

if (!isInOwnNetwork()) {
  const helms = await bothHelms(NOT_COVERED);
  const nats = await goTool(NATS_SERVER);
  const network = whyNoOwnNetwork();
  const skip =
    (await skipWithoutControlPlane(NOT_COVERED, { controllers: true })) ||
    ('skip' in helms && helms.skip) ||
    ('missing' in nats && `${nats.missing}: NOT COVERED: ${NOT_COVERED}`) ||
    (network !== undefined && `${network}: NOT COVERED: ${NOT_COVERED}`);
  test('the chart: pods that run as it says, in a network of their own', { skip, timeout: 400_000 }, () =>
    runInOwnNetwork(import.meta.filename),
  );
} else inside();

function inside(): void {
  let cluster: ControlPlane;
  let kubelet: ProcessKubelet;
  let helm3: Helm;
  let helm4: Helm;
  let directory: string;

  before(async () => {
    const [helms, nats] = [await bothHelms(NOT_COVERED), await goTool(NATS_SERVER)];
    if ('skip' in helms || 'missing' in nats) throw new Error('tools are missing');
    const [three, four] = helms;
    if (three === undefined || four === undefined) throw new Error('two Helms are needed');
    [helm3, helm4] = [three, four];
    directory = mkdtempSync(join(tmpdir(), 'sluice-chart-'));
    cluster = await startControlPlane({ controllers: true });
    const admin = ['--kubeconfig', cluster.kubeconfig('admin', ['system:masters'])];
    const withConfig = (helm: Helm): Helm =>
      Object.assign((args: readonly string[], input?: string) => helm([...args, ...admin], input), {
        line: helm.line,
      });
    [helm3, helm4] = [withConfig(helm3), withConfig(helm4)];
    await kubectl('create', 'namespace', 'mail');
    await kubectl('label', 'namespace', 'mail', ...RESTRICTED);
    kubelet = await ProcessKubelet.start(cluster, directory, [dirname(nats.path)]);
  });

  after(async () => {
    await kubelet?.stop();
    await cluster?.close();
    rmSync(directory, { recursive: true, force: true });
  });

  const kubectl = async (...args: readonly string[]): Promise<string> => {
    const { code, out, err } = await cluster.kubectl(args);
    assert.equal(code, 0, err);
    return out;
  };
  const apply = async (namespace: string, ...documents: readonly unknown[]): Promise<void> => {
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: documents });
    const { code, err } = await cluster.kubectl(['-n', namespace, 'apply', '-f', '-'], list);
    assert.equal(code, 0, err);
  };
  const run = async (helm: Helm, args: readonly string[], values = ''): Promise<string> => {
    const { code, out, err } = await helm([...args, ...(values === '' ? [] : ['-f', '-'])], values);
    assert.equal(code, 0, `${err}\n${out}\n${kubelet.troubles.join('\n')}`);
    return out;
  };
  const mtas = () => kubelet.pods(COMPONENT, 'mta').filter(({ ending }) => !ending);
  const sinkOf = ({ containers }: ReturnType<typeof mtas>[number]): number =>
    Number(
      /(\d+) delivered/.exec(
        containers
          .find(({ name }) => name === 'sink')
          ?.program.lines.findLast((line) => / delivered /.test(line)) ?? '',
      )?.[1] ?? 0,
    );
  const blast = async (messages: number, ...flags: readonly string[]): Promise<number> => {
    const address = await kubectl(
      '-n',
      'mail',
      'get',
      'service',
      'sluice-smtp',
      '-o',
      'jsonpath={.spec.clusterIP}',
    );
    const program = startProgram([
      SLUICE,
      'blast',
      '--json',
      '--target',
      `${address}:25`,
      '--messages',
      `${messages}`,
      ...flags,
    ]);
    await program.ended;
    const line = program.lines.findLast((each) => each.startsWith('{'));
    if (line === undefined) throw new Error(program.lines.join('\n'));
    return JSON.parse(line).accepted;
  };

  test('what Helm renders is taken by the API server, client-side and server-side, and no pod of it is more than restricted', async () => {
    const definitions = join(dirname(CHART), '../crds/generated');
    await kubectl('apply', '--server-side', '-f', definitions);
    const check = async (file: string): Promise<void> => {
      const values = readFileSync(file, 'utf8').replace(
        'serviceMonitor: {enabled: true',
        'serviceMonitor: {enabled: false',
      );
      // The CRDs are large, and the same in each.
      const rendered = await run(
        helm3,
        ['template', 'sluice', CHART, '-n', 'mail', '--set', 'crds.enabled=false'],
        values,
      );
      for (const side of [[], ['--server-side', '--force-conflicts']]) {
        const { code, err } = await cluster.kubectl(
          ['-n', 'mail', 'apply', '--dry-run=server', ...side, '-f', '-'],
          rendered,
        );
        assert.equal(code, 0, `${basename(file)}: ${err}`);
        assert.doesNotMatch(err, /PodSecurity|unknown field/, `${basename(file)}: ${err}`);
      }
    };
    await Promise.all(globSync(join(TESTDATA, '*.values.yaml')).map(check));
    await kubectl('delete', '--wait=false', '-f', definitions);
  });

  test('helm install --wait: two operators, two pods, NATS; mail that is handed in arrives in the sinks', async () => {
    const startMs = performance.now();
    const notes = await run(
      helm4,
      ['install', 'sluice', CHART, '-n', 'mail', '--wait', '--timeout', '120s'],
      VALUES,
    );
    process.stdout.write(`# helm install --wait: ${((performance.now() - startMs) / 1_000).toFixed(1)} s\n`);
    assert.match(notes, /TRIAL MODE/);
    assert.equal(mtas().length, 2);
    assert.equal(await blast(100, '--domain', 'gmail.com', '--domain', '[192.0.2.55]'), 100);
    const delivered = () => mtas().map(sinkOf);
    await until(
      'all of it is in the sinks of both pods',
      delivered,
      (counts) => counts.reduce((sum, count) => sum + count, 0) === 100 && counts.every((count) => count > 0),
      20_000,
    );
  });

  test('processes are what the security context says: another user, no capability, no new privileges, a root that cannot be written', () => {
    const [pod] = mtas();
    const pid = pod?.containers.find(({ name }) => name === 'mta')?.program.pid;
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    assert.match(status, /^Uid:\t10001\t10001/m);
    assert.match(status, /^CapEff:\t0+$/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(readFileSync(`/proc/${pid}/mounts`, 'utf8'), /^none \/ tmpfs ro,/m);
  });

  test('what is bound to loopback, as the pool of the trial is, cannot leave a pod: the kernel refuses it', async () => {
    const connect = (from: string): Promise<string> => {
      const options = JSON.stringify({
        host: '10.244.0.1',
        port: 25,
        ...(from !== '' && { localAddress: from }),
      });
      const script = `require('node:net').connect(${options}).on('error', (error) => console.log(error.code))`;
      const prefix = mtas()[0]?.network.prefix ?? [];
      return startProgram([...prefix, process.execPath, '-e', script]).line((line) => line);
    };
    assert.equal(await connect('127.0.0.1'), 'EINVAL');
    assert.equal(await connect(''), 'ECONNREFUSED', 'and others can');
  });

  test('a pod shows probes and metrics to others, and its admin address to nobody', async () => {
    const [pod] = mtas();
    const status = async (port: number, path: string) =>
      (await fetch(`http://${pod?.address}:${port}${path}`)).status;
    assert.equal(await status(9024, '/readyz'), 200);
    assert.equal(await status(9024, '/directives'), 404);
    await assert.rejects(status(9025, '/livez'));
  });

  test('a pool and a policy that are applied are in force in every pod and say so; the trial goes on', async () => {
    const pool = resource('EgressPool', 'main', {
      sources: [{ name: 's', address: '192.0.2.10', ehlo: 'out1.example.com' }],
    });
    await apply('mail', pool, resource('ShapingPolicy', 'house', { priority: 5 }));
    const hashes = () =>
      Promise.all(
        mtas().map(async ({ address }) => {
          const text = await (await fetch(`http://${address}:9024/metrics`)).text();
          return /^sluice_config_info\{hash="([0-9a-f]+)"\} 1$/m.exec(text)?.[1];
        }),
      );
    const published = async () =>
      JSON.parse(
        await kubectl(
          '-n',
          'mail',
          'get',
          'configmap',
          'sluice-egress-0',
          '-o',
          'jsonpath={.data.shard\\.json}',
        ),
      ).hash;
    const status = (type: string) =>
      kubectl(
        '-n',
        'mail',
        'get',
        'epool,shape',
        '-o',
        `jsonpath={.items[*].status.conditions[?(@.type=="${type}")].status}`,
      );
    await until(
      'the resources say so',
      () => status('Accepted'),
      (text) => text === 'True True',
      SETTLE_MS,
    );
    const wanted = await published();
    await until('every pod runs it', hashes, (all) => all.every((hash) => hash === wanted), SETTLE_MS);
    await until(
      'and that every pod does',
      () => status('Programmed'),
      (text) => text === 'True True',
      SETTLE_MS,
    );
    if (skipWithoutLua('') === false) {
      const script = readFileSync(
        join(dirname(CHART), 'argo-cd/resource_customizations/sluice.email/EgressPool/health.lua'),
        'utf8',
      );
      const object = JSON.parse(await kubectl('-n', 'mail', 'get', 'epool/main', '-o', 'json'));
      assert.equal((await argoHealth(script, object)).status, 'Healthy');
    }
    assert.equal(await blast(10), 10);
    const logs = [...mtas(), ...kubelet.pods(COMPONENT, 'operator')].flatMap(({ containers }) =>
      containers.flatMap(({ program }) => program.lines),
    );
    assert.deepEqual(
      logs.filter((line) => /forbidden|\b403\b/i.test(line)),
      [],
      'their rights are enough',
    );
  });

  test('helm test sends a message', async () => {
    await run(helm4, ['test', 'sluice', '-n', 'mail', '--timeout', '120s']);
  });

  test('helm upgrade replaces the pods while mail is handed in: none is lost, no pod is killed', async () => {
    const old = mtas();
    kubelet.troubles.length = 0;
    const handedIn = 600;
    const before = await until(
      'the sinks have counted what came before',
      () => old.reduce((sum, pod) => sum + sinkOf(pod), 0),
      (count) => count === 100 + 10 + 1,
      SETTLE_MS,
    );
    const sending = blast(handedIn, '--rate', '60', '--sessions', '4');
    const values = `${VALUES}\nfullnameOverride: sluice`.replace('drainSeconds: 20', 'drainSeconds: 21');
    await run(helm4, ['upgrade', 'sluice', CHART, '-n', 'mail', '--wait', '--timeout', '120s'], values);
    const accepted = await sending;
    assert.ok(accepted > handedIn * 0.8, `${accepted} were accepted`);
    const pods = [...new Set([...old, ...mtas()])];
    assert.equal(pods.length, 4, 'all pods are new ones');
    await until(
      'all that was accepted is in the sinks',
      () => pods.reduce((sum, pod) => sum + sinkOf(pod), 0) - before,
      // A client whose connection was cut may have been heard all the same.
      (delivered) => delivered >= accepted && delivered <= handedIn,
      30_000,
    );
    process.stdout.write(
      `# helm upgrade: of ${handedIn} messages ${accepted} were accepted while the pods were replaced\n`,
    );
    const counts = pods.flatMap(({ containers }) =>
      containers.flatMap(({ program }) => program.lines.findLast((line) => / duplicates/.test(line)) ?? []),
    );
    for (const line of counts) assert.match(line, / 0 duplicates/);
    assert.deepEqual(kubelet.troubles, []);
  });

  test('helm uninstall leaves CRDs and resources; the same release takes them up again', async () => {
    await run(helm4, ['uninstall', 'sluice', '-n', 'mail']);
    assert.match(await kubectl('-n', 'mail', 'get', 'epool/main', '-o', 'name'), /main/);
    await until(
      'its pods are gone',
      () => mtas().length,
      (count) => count === 0,
      START_MS,
    );
    const key = execFileSync('openssl', ['genrsa', '2048'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    }).toString();
    await apply(
      'mail',
      secret('smtp-users', { 'users.yaml': '[{username: shop, password: sesame}]' }),
      secret('dkim-keys', { 'sender.example.pem': key }),
    );
    await run(helm4, ['install', 'sluice', CHART, '-n', 'mail', '--wait', '--timeout', '120s'], WITH_SECRETS);
  });

  test('users and DKIM keys are read from Secrets; who does not log in may not send', async () => {
    assert.equal(await blast(5), 0);
    process.env.SLUICE_BLAST_PASSWORD = 'sesame';
    assert.equal(await blast(5, '--user', 'shop', '--sender', 'news@sender.example'), 5);
    // Without its key mail is refused: so the other was signed.
    assert.equal(await blast(5, '--user', 'shop', '--sender', 'news@other.example'), 0);
    await run(helm4, ['test', 'sluice', '-n', 'mail', '--timeout', '120s']);
    await run(helm4, ['uninstall', 'sluice', '-n', 'mail']);
  });

  test('an operator for all namespaces, installed with Helm 3 and upgraded with Helm 4: a pool of another namespace has its ConfigMap there', async () => {
    await kubectl('create', 'namespace', 'sluice-system');
    await kubectl('label', 'namespace', 'sluice-system', ...RESTRICTED);
    await kubectl('create', 'namespace', 'team');
    const values =
      'operator: {scope: AllNamespaces, replicas: 1}\nmta: {enabled: false}\ncrds: {enabled: false}';
    await run(
      helm3,
      ['install', 'sluice', CHART, '-n', 'sluice-system', '--wait', '--timeout', '120s'],
      values,
    );
    await apply(
      'team',
      resource('EgressPool', 'theirs', {
        sources: [{ name: 's', address: '192.0.2.20', ehlo: 'a.example.com' }],
      }),
    );
    await until(
      'it is published',
      async () =>
        (await cluster.kubectl(['-n', 'team', 'get', 'configmap', 'sluice-egress-0', '-o', 'name'])).out,
      (name) => name !== '',
      20_000,
    );
    // Helm 4 goes on with what Helm 3 began.
    const more = `${values}\nimage: {tag: next}`;
    await run(
      helm4,
      ['upgrade', 'sluice', CHART, '-n', 'sluice-system', '--wait', '--timeout', '120s'],
      more,
    );
    const [operator] = kubelet
      .pods(COMPONENT, 'operator')
      .filter(({ pod }) => pod.metadata.namespace === 'sluice-system');
    const forbidden = operator?.containers[0]?.program.lines.filter((line) => /forbidden/.test(line));
    assert.deepEqual(forbidden, [], 'its rights are enough');
  });
}
