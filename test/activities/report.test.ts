import { escapeHtml, html } from '../../activities/report/html';
import { renderReport, type ReportInput } from '../../activities/report/render-report';

const HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">\u202e\u001b[31m';

function reportInput(): ReportInput {
  return {
    request: {
      target: { accountId: '111122223333', region: 'us-east-1', instanceId: 'i-0123456789abcdef0' },
      finding: {
        id: 'f1',
        source: 'guardduty',
        type: 'Backdoor:EC2/C&CActivity.B',
        severity: 'high',
        title: HOSTILE,
        description: '',
        createdAt: '2026-11-22T08:00:00Z',
      },
      requestedAction: 'by-policy',
      openedBy: 'guardduty',
      receivedAt: '2026-11-22T08:00:01Z',
    },
    facts: null,
    plan: null,
    outcome: {
      caseId: 'i-0123456789abcdef0-20261122t080001z',
      workflowId: 'forensic-case/111122223333/us-east-1/i-0123456789abcdef0',
      outcome: 'partial',
      reasons: ['vol-2 was not acquired'],
      phases: [
        { name: 'triage', startedAt: '2026-11-22T08:00:01Z', endedAt: '2026-11-22T08:00:02Z', outcome: 'succeeded' },
      ],
      exhibits: [
        {
          id: 'memory',
          kind: 'memory',
          source: 'i-0123456789abcdef0',
          sha256: 'a'.repeat(64),
          sizeBytes: 1234567,
          location: { s3: { bucket: 'b', key: 'k', versionId: 'v' } },
          acquiredAt: '2026-11-22T08:01:00Z',
          tool: { name: 'avml', version: '0.21.0' },
          notes: [HOSTILE],
          companions: [{ bucket: 'b', key: 'kernel-facts', versionId: 'v', sha256: 'c'.repeat(64), sizeBytes: 1 }],
          attempts: [{ number: 1, tool: 'lime', outcome: 'tool-refused', reason: `locked down ${HOSTILE}` }],
        },
      ],
      missing: [{ id: 'vol-2', kind: 'disk', source: 'vol-2', reason: HOSTILE }],
      examinations: [
        {
          exhibit: 'memory',
          kind: 'memory',
          outcome: 'succeeded',
          tools: [
            { tool: 'linux.pslist', version: '2.28.2', outcome: 'succeeded', records: 50, seconds: 1.2, note: HOSTILE },
          ],
          findings: [
            {
              id: '1',
              severity: 'low',
              category: 'process',
              title: 'low one',
              detail: '',
              evidence: { exhibit: 'memory', tool: 'linux.pslist', record: 'row 1' },
            },
            {
              id: '2',
              severity: 'critical',
              category: 'process',
              title: HOSTILE,
              detail: HOSTILE,
              time: '2026-02-17T02:14:40Z',
              evidence: { exhibit: 'memory', tool: 'linux.pslist', record: HOSTILE },
            },
          ],
        },
      ],
      decisions: [
        {
          checkpoint: 'isolation',
          verdict: 'reject',
          approver: HOSTILE,
          reason: HOSTILE,
          decidedAt: '2026-11-22T08:02:00Z',
          planHash: 'c'.repeat(64),
          door: 'signal',
          knownBy: 'claimed',
        },
      ],
    },
  };
}

describe('the report', () => {
  const page = renderReport(reportInput());

  test('escapes hostile text everywhere', () => {
    expect(page).not.toMatch(/<script|<img|onerror="/);
    expect(page.includes('\u202e') || page.includes('\u001b')).toBe(false);
    expect(page.match(/&lt;script&gt;/g)!.length).toBeGreaterThanOrEqual(8);
  });

  test('needs nothing from elsewhere and may run no script', () => {
    expect(page).toContain("default-src 'none'");
    expect(page).not.toMatch(/<[^>]*\s(src|href)=/);
  });

  test('tells outcome, digests, missing evidence, findings with the gravest first, and who decided', () => {
    for (const text of [
      '<strong>partial</strong>',
      'vol-2 was not acquired',
      'a'.repeat(64),
      's3://b/kernel-facts',
      'c'.repeat(64),
      'attempt 1 with lime (tool-refused): locked down',
      'Evidence that could not be had',
      'reject',
      '1,234,567',
    ]) {
      expect(page).toContain(text);
    }
    expect(page.indexOf('severity critical')).toBeLessThan(page.indexOf('severity low'));
  });

  test('plots the findings that carry a time', () => {
    expect(page).toMatch(/<circle[^]{0,300}2026-02-17T02:14:40Z\s+critical/);
  });

  test('is the same for the same case, so that writing it again changes nothing', () => {
    expect(renderReport(reportInput())).toBe(page);
  });
});

test('html`` escapes values and keeps what it made itself', () => {
  expect(html`<b>${'<i>'}</b>${[html`<u>${1}</u>`]}`.html).toBe('<b>&lt;i&gt;</b><u>1</u>');
  expect(escapeHtml('"\'')).toBe('&quot;&#39;');
});
