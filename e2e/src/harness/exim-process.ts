import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from './free-ports.ts';
import { type StartedProgram, startProgram } from './started-program.ts';
import { makeCertificate } from './test-certificate.ts';

/** The package conflicts with Postfix, so it is only unpacked: `dpkg -x exim4-daemon-light_*.deb /opt/exim`. */
const PROGRAMS = ['/usr/sbin/exim4', '/opt/exim/usr/sbin/exim4'];
/** Whom Exim runs as: it refuses to deliver as root. */
const USER = 'daemon';

/** The program, or why there is none to test with. */
export function findExim(): { readonly program: string } | { readonly missing: string } {
  const program = PROGRAMS.find((path) => existsSync(path));
  if (program === undefined)
    return { missing: `${PROGRAMS.join(' and ')} are not here (Debian package exim4-daemon-light)` };
  if (process.getuid?.() !== 0) return { missing: 'Exim can only be started by root' };
  try {
    execFileSync(program, ['-bV'], { stdio: 'ignore' });
  } catch {
    return { missing: `${program} does not run (a library or the user Debian-exim is not here)` };
  }
  return { program };
}

export interface EximProcess {
  readonly address: string;
  readonly port: number;
  /** Lines of its main log: `<=` a message came, `=>` it was sent on, each with ` K ` where CHUNKING was used. */
  log(): readonly string[];
  close(): Promise<void>;
}

/**
 * Starts an Exim of its own in a temporary directory on 127.0.0.1, with TLS and CHUNKING, that sends all mail on to one port. It knows no DNS.
 *
 * Example: `const exim = await startExim(program, sink.port);`
 */
export async function startExim(program: string, nextPort: number): Promise<EximProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'exim-'));
  const [port = 0] = await freePorts(1);
  for (const name of ['spool', 'log']) {
    mkdirSync(join(directory, name));
    chmodSync(join(directory, name), 0o777);
  }
  const { certificateFile, keyFile } = makeCertificate('mx.exim.example', directory);
  for (const path of [directory, certificateFile, keyFile]) chmodSync(path, 0o755);
  const file = join(directory, 'exim.conf');
  writeFileSync(
    file,
    `exim_user = ${USER}
exim_group = ${USER}
exim_path = ${program}
spool_directory = ${directory}/spool
log_file_path = ${directory}/log/%slog
pid_file_path = ${directory}/pid
primary_hostname = mx.exim.example
local_interfaces = 127.0.0.1
daemon_smtp_ports = ${port}
tls_certificate = ${certificateFile}
tls_privatekey = ${keyFile}
tls_advertise_hosts = *
chunking_advertise_hosts = *
smtputf8_advertise_hosts = *
accept_8bitmime = true
host_lookup =
rfc1413_hosts =
smtp_enforce_sync = true
smtp_accept_max = 0
queue_only = false
acl_smtp_rcpt = accept
acl_smtp_data = accept
keep_environment =

begin routers
next:
  driver = manualroute
  domains = *
  transport = onwards
  route_list = * 127.0.0.1::${nextPort} byname
  self = send

begin transports
onwards:
  driver = smtp
  allow_localhost = true
  hosts_try_chunking = *
  tls_tempfail_tryclear = false
  tls_verify_certificates =
  tls_try_verify_hosts =

begin retry
* * F,1m,1s
`,
  );
  const exim = startProgram([program, '-C', file, '-bdf', '-q1s']);
  await listening(port, exim);
  return {
    address: '127.0.0.1',
    port,
    // Its children have lost the privilege of a log file for `-C`, and say on stderr what they did.
    log: () => [...readFileSync(join(directory, 'log/mainlog'), 'utf8').split('\n'), ...exim.lines],
    close: async () => {
      await exim.kill('SIGTERM');
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Resolves when the port takes connections; rejects when the program has ended. */
async function listening(port: number, program: StartedProgram): Promise<void> {
  let ended = false;
  program.ended.then(() => {
    ended = true;
  });
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port });
      socket.once('connect', () => socket.end('QUIT\r\n', () => resolve(true)));
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    if (ended) throw new Error(`Exim ended: ${program.lines.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
