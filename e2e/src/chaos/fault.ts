/** Something that goes wrong, with what is needed to do it again from the seed. Times in milliseconds. */
export type Fault =
  /** SIGKILL; its supervisor starts it again after `downMs`. */
  | { readonly kind: 'kill'; readonly pod: number; readonly downMs: number }
  /** SIGTERM; started again `downMs` after its end. */
  | { readonly kind: 'terminate'; readonly pod: number; readonly downMs: number }
  /** SIGSTOP, then SIGCONT, within the life of a session. */
  | { readonly kind: 'stop'; readonly pod: number; readonly forMs: number }
  /** The same for longer than a session lives: others take over meanwhile. */
  | { readonly kind: 'long-stop'; readonly pod: number; readonly forMs: number }
  /** Nothing passes between the pod and NATS; mail does, unless `alsoMail`. */
  | {
      readonly kind: 'partition';
      readonly pod: number;
      readonly forMs: number;
      readonly alsoMail: boolean;
    }
  | { readonly kind: 'kill-nats'; readonly node: number; readonly downMs: number }
  | { readonly kind: 'kill-all-nats'; readonly downMs: number }
  /** The streams of new mail take nothing more. */
  | { readonly kind: 'full'; readonly forMs: number }
  /** A message that kills every pod that sends it. */
  | { readonly kind: 'poison'; readonly pod: number };

export type FaultKind = Fault['kind'];

/** For the line that people read while it runs. */
export function describeFault(fault: Fault): string {
  switch (fault.kind) {
    case 'kill':
      return `kill -9 pod-${fault.pod}, up again ${seconds(fault.downMs)} later`;
    case 'terminate':
      return `SIGTERM pod-${fault.pod}, up again ${seconds(fault.downMs)} after its end`;
    case 'stop':
      return `SIGSTOP pod-${fault.pod} for ${seconds(fault.forMs)}`;
    case 'long-stop':
      return `SIGSTOP pod-${fault.pod} for ${seconds(fault.forMs)}, longer than its session`;
    case 'partition':
      return `pod-${fault.pod} is cut off from NATS${fault.alsoMail ? ' and from receivers and clients' : ''} for ${seconds(fault.forMs)}`;
    case 'kill-nats':
      return `kill -9 NATS node n${fault.node + 1}, up again ${seconds(fault.downMs)} later`;
    case 'kill-all-nats':
      return `kill -9 all NATS nodes, up again ${seconds(fault.downMs)} later`;
    case 'full':
      return `the streams of new mail are full for ${seconds(fault.forMs)}`;
    case 'poison':
      return `a poison message is handed in to pod-${fault.pod}`;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
