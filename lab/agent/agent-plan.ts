/** What an instance needs to run an SSM agent: the lab's own, or the amazon-ssm-agent that the user has. */
export interface AgentPlan {
  /** Programs to be put into the instance: from this machine's path to the instance's. */
  programs: { source: string; target: string }[];
  /** Folders that must exist in the instance, and be writable. */
  folders: string[];
  /** Files to be written in the instance. */
  files: { path: string; content: string }[];
  /** Started as root in the instance; it stays in the foreground. */
  command: string[];
  environment: Record<string, string>;
  /**
   * The programs that are the agent itself, each as it stands in the command line of its process. Processes of other
   * programs are documents, which outlive an agent.
   */
  processes: string[];
}

const LAB_AGENT = '/usr/lib/lab-agent/agent.cjs';

/** The lab's own agent: one JavaScript file, run by this process's Node. */
export function labAgentPlan(agentFile: string): AgentPlan {
  return {
    programs: [{ source: agentFile, target: LAB_AGENT }],
    folders: [],
    files: [],
    command: [process.execPath, LAB_AGENT],
    environment: {},
    processes: [LAB_AGENT],
  };
}
