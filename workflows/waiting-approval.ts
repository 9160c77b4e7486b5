import {
  ApplicationFailure,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  log,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import {
  type Approval,
  type ApprovalPolicy,
  approvalsMissing,
  applyApproval,
  expiryOf,
  openApproval,
} from '../domain/approval';
import { type ApprovalMessage, approvalEventOf, readApprovalMessage } from '../domain/approval-message';
import type { CaseEventDraft } from '../domain/case-event';
import { sentence } from '../domain/case-limits';
import { claimedDecider, provenDecider, type Decider } from '../domain/checkpoint';
import { planHash } from '../domain/containment/plan-hash';
import { escapeMarkdown } from '../domain/markdown';
import { quick } from './activity-options';
import type { FailureType } from './contract/failures';
import { reasonOf } from './failure-reason';
import { APPROVAL_MESSAGES, type ApprovalReceipt, type ApprovalView } from './contract/keeping';
import { searchAttributes } from './contract/search-attributes';

const approve = defineSignal<[unknown]>(APPROVAL_MESSAGES.approve);
const reject = defineSignal<[unknown]>(APPROVAL_MESSAGES.reject);
const decide = defineUpdate<ApprovalReceipt, [unknown]>(APPROVAL_MESSAGES.decide);
const approvalStatus = defineQuery<ApprovalView>(APPROVAL_MESSAGES.approvalStatus);

const REFUSED: FailureType = 'InvalidRequest';
const ONE_DAY_MS = 24 * 3600 * 1000;
/** Refused signals that leave an entry; a flood of them must not fill the log. */
const REFUSALS_TOLD = 20;
/** Characters; Temporal asks for at most 20,000 bytes of details. */
const PLAN_SHOWN = 4000;
const SIGNAL_EXAMPLE = '{"approver":"ann","reason":"counsel agrees"}';

const now = (): string => new Date(Date.now()).toISOString();

/**
 * A question to people in a workflow of its own: opens the doors, asks, reminds once a day, and waits as long as the policy lets
 * it. What is decided, refused or overdue goes to `tell`, which writes it into the case's custody log. An approver is known by
 * what STS says, or by the name that is typed; roles come with proven identities only.
 */
export class WaitingApproval {
  private approval?: Approval;
  private plan?: unknown;
  private refusals = 0;

  constructor(
    private readonly checkpoint: string,
    private readonly what: string,
    private readonly tell: (event: CaseEventDraft) => void,
    /** Of the case: what a proof is bound to, and role → patterns of the principals that have it. */
    private readonly ofCase: { caseId: string; roles: Record<string, string[]> },
  ) {
    const bySignal = async (verdict: 'approve' | 'reject', payload: unknown): Promise<void> => {
      await this.take(payload, verdict, 'signal');
    };
    setHandler(approve, (payload) => bySignal('approve', payload), {
      description: `Approve what Current Details say. JSON, e.g. ${SIGNAL_EXAMPLE}`,
    });
    setHandler(reject, (payload) => bySignal('reject', payload), {
      description: `Refuse what Current Details say; then nothing is done. JSON, e.g. ${SIGNAL_EXAMPLE}`,
    });
    setHandler(
      decide,
      async (payload) => {
        const taken = await this.take(payload, undefined, 'update');
        if (typeof taken === 'string') throw ApplicationFailure.nonRetryable(taken, REFUSED);
        return taken;
      },
      {
        // Keeps a refused decision out of the history; the handler asks again.
        // With a proof, STS tells who decides: then only what is asked can be looked at.
        validator: (payload) => {
          const message = readApprovalMessage(payload);
          const isProven = typeof message !== 'string' && message.proof !== undefined;
          const read = typeof message === 'string' ? message : this.next(message, claimedDecider(message.approver));
          if (typeof read === 'string' && !(isProven && this.approval?.status === 'open'))
            throw ApplicationFailure.nonRetryable(read, REFUSED);
        },
        description: `Approve or reject, answered at once. JSON, e.g. {"verdict":"approve","approver":"ann"}`,
      },
    );
    setHandler(approvalStatus, () => this.view(), { description: 'What is asked, and who has decided.' });
  }

  /** Asks, and resolves when it is approved, rejected or expired. It is never approved by itself. */
  async ask(plan: unknown, policy: ApprovalPolicy, openedBy: string): Promise<Approval> {
    const hash = planHash(plan);
    this.plan = plan;
    this.approval = openApproval({ policy, planHash: hash, openedBy, openedAt: now() });
    const { workflowId } = workflowInfo();
    const expiry = expiryOf(this.approval);
    const asked = { checkpoint: this.checkpoint, planHash: hash, workflowId };
    const until = expiry === undefined ? '' : `, until ${expiry}`;
    this.show();
    this.tell({
      kind: 'consent-requested',
      message: `${this.what}: waits for ${approvalsMissing(this.approval)} approval(s)${until}`,
      data: { ...asked, plan },
      notify: true,
    });
    while (this.approval.status === 'open') {
      const left = expiry === undefined ? Infinity : Date.parse(expiry) - Date.now();
      const decided = await condition(() => this.approval?.status !== 'open', Math.max(1, Math.min(left, ONE_DAY_MS)), {
        summary: `${this.checkpoint}: remind or expire`,
      });
      if (decided) break;
      const step = applyApproval(this.approval, { kind: 'time-passed', at: now() });
      this.approval = step.approval;
      if (step.refusal === undefined) {
        this.tell({
          kind: 'consent-escalated',
          message: `${this.what}: NOBODY DECIDED IN TIME; nothing was done, and it has to be asked for again`,
          severity: 'high',
          data: asked,
          notify: true,
        });
      } else {
        this.tell({ kind: 'consent-reminder', message: `${this.what}: still waits`, data: asked, notify: true });
      }
    }
    this.show();
    return this.approval;
  }

  private view(): ApprovalView {
    const { what, plan, approval } = this;
    return {
      what,
      ...(plan !== undefined && { plan }),
      ...(approval && { approval, missing: approvalsMissing(approval) }),
    };
  }

  /** The next state, or why there is none. */
  private next(message: ApprovalMessage, by: Decider): Approval | string {
    if (!this.approval) return 'nothing is asked yet: wait until the plan is made';
    const { name, knownBy, roles } = by;
    const step = applyApproval(this.approval, approvalEventOf(message, { name, knownBy, roles }, now()));
    return step.refusal ?? step.approval;
  }

  /** Who decides: by the proof, or by the name that was typed. */
  private async decider({ proof, verdict, approver }: ApprovalMessage): Promise<Decider> {
    if (!proof || !this.approval) return claimedDecider(approver);
    const { caseId, roles } = this.ofCase;
    const binding = { caseId, checkpoint: this.checkpoint, verdict, planHash: this.approval.planHash };
    const step = quick(`Ask STS who decides on ${this.checkpoint}`, { scheduleToCloseTimeout: '6m' });
    return provenDecider(await step.redeemIdentityProof({ caseId, proof, binding }), roles);
  }

  private async take(
    payload: unknown,
    verdict: 'approve' | 'reject' | undefined,
    door: 'signal' | 'update',
  ): Promise<ApprovalReceipt | string> {
    // Nobody answers a signal: what it could not do stands in the log, at once and in order.
    const refused = (because: string): string => {
      if (door === 'signal') this.refused(verdict ?? 'decide', because);
      return because;
    };
    const message = readApprovalMessage(payload, verdict);
    if (typeof message === 'string') return refused(message);
    const by = await this.decider(message).catch((error: unknown) => reasonOf(error));
    if (typeof by === 'string') return refused(by);
    const approval = this.next(message, by);
    if (typeof approval === 'string') return refused(approval);
    this.approval = approval;
    const { status, planHash: hash } = approval;
    const missing = approvalsMissing(approval);
    const reason = message.reason === undefined ? '' : `: ${message.reason}`;
    this.tell({
      kind: 'decision-taken',
      actor: { name: by.principal ?? by.name, knownBy: by.knownBy },
      authority: { checkpoint: this.checkpoint, planHash: hash },
      message: `${this.what}: ${message.verdict === 'approve' ? 'approved' : 'rejected'} by ${by.name} (${door})${reason}`,
      data: {
        checkpoint: this.checkpoint,
        verdict: message.verdict,
        approver: by.name,
        ...(by.proofSha256 !== undefined && { proofSha256: by.proofSha256 }),
        planHash: hash,
        status,
      },
      notify: true,
    });
    this.show();
    return { status, planHash: hash, missing };
  }

  private refused(verdict: string, because: string): void {
    this.refusals += 1;
    log.warn('a decision was refused', { verdict, because });
    if (this.refusals > REFUSALS_TOLD) return;
    const message = sentence(`${this.what}: a signal ${verdict} changed nothing: ${because}`);
    this.tell({ kind: 'decision-refused', message, data: { checkpoint: this.checkpoint }, notify: false });
  }

  private show(): void {
    const { approval, what } = this;
    if (!approval) return;
    const isOpen = approval.status === 'open';
    upsertSearchAttributes([{ key: searchAttributes.AwaitingApproval, value: isOpen ? this.checkpoint : null }]);
    const expiry = expiryOf(approval);
    const until = isOpen && expiry !== undefined ? `, until ${expiry}` : '';
    const decided = approval.decisions.map(
      ({ verdict, by, at }) => `${verdict} by ${escapeMarkdown(by.name)} (${by.knownBy}) at ${at}`,
    );
    const lines = [
      `**${escapeMarkdown(what)}**`,
      `State: ${approval.status}; ${approvalsMissing(approval)} approval(s) missing${until}; asked by ${escapeMarkdown(approval.openedBy)}`,
      ...(decided.length > 0 ? [`Decided: ${decided.join('; ')}`] : []),
      ...(isOpen
        ? [
            `To decide: More Actions → Send a Signal, \`approve\` or \`reject\`, with (put your name in)\n\n${fenced(decisionToPaste(approval))}`,
          ]
        : []),
      `Plan \`${approval.planHash}\`\n\n${fenced(JSON.stringify(this.plan ?? null, null, 2))}`,
    ];
    setCurrentDetails(lines.join('\n\n'));
  }
}

const decisionToPaste = ({ planHash: hash }: Approval): string =>
  JSON.stringify({ approver: 'your name', reason: 'why', planHash: hash }, null, 1);

/**
 * JSON as a block of code, in which nothing is markup. A line of it never begins with a fence: JSON has none outside of strings, and
 * no line breaks within them.
 */
function fenced(json: string): string {
  const lines =
    json.length > PLAN_SHOWN ? `${json.slice(0, PLAN_SHOWN)}\n… cut: the query approvalStatus answers all of it` : json;
  return `\`\`\`json\n${lines}\n\`\`\``;
}
