import { z } from "zod";
import { allCases } from "./cases/all-cases.ts";
import { type Group, groups, groupTitles } from "./conformance-case.ts";
import { describeScore, type Score, scoresOf } from "./score.ts";

/** What `--json` writes. */
export const reportSchema = z.object({
  /** The day of the run, as 2026-11-23. */
  date: z.string(),
  subjects: z.array(
    z.object({
      name: z.string(),
      about: z.string(),
      scores: z.record(z.string(), z.object({ passed: z.int(), of: z.int() })),
      results: z.array(
        z.object({
          id: z.string(),
          group: z.string(),
          level: z.enum(["MUST", "SHOULD"]),
          section: z.string(),
          must: z.string(),
          outcome: z.enum(["pass", "fail", "not applicable"]),
          saw: z.string().optional(),
        }),
      ),
    }),
  ),
});
export type Report = z.infer<typeof reportSchema>;
export type SubjectReport = Report["subjects"][number];

const columns = [...groups, "all"] as const;

function titleOf(column: Group | "all"): string {
  return column === "all" ? "all" : groupTitles[column];
}

function scoreOf({ scores }: SubjectReport, column: string): Score {
  return scores[column] ?? { passed: 0, of: 0 };
}

/** The scores as a table in Markdown. */
export function scoreTable({ subjects }: Report): string {
  const head = `| | ${columns.map(titleOf).join(" | ")} |`;
  const rule = `|---|${columns.map(() => "---").join("|")}|`;
  const rows = subjects.map(
    (subject) =>
      `| ${subject.name} | ${columns.map((column) => describeScore(scoreOf(subject, column))).join(" | ")} |`,
  );
  return [head, rule, ...rows].join("\n");
}

const marks = { pass: "✓", fail: "✗", "not applicable": "–" } as const;

/** Every case with what each proxy did, in Markdown. */
export function caseTable({ subjects }: Report, group: Group): string {
  const head = `| case | what must be | source | ${subjects.map(({ name }) => name).join(" | ")} |`;
  const rule = `|---|---|---|${subjects.map(() => "---").join("|")}|`;
  const rows = allCases
    .filter((one) => one.group === group)
    .map(({ id, must, section, level }) => {
      const outcomes = subjects.map(({ results }) => {
        const result = results.find((each) => each.id === id && each.group === group);
        return result ? marks[result.outcome] : "–";
      });
      return `| ${id} | ${must.replaceAll("|", "\\|")} | ${level}, ${section} | ${outcomes.join(" | ")} |`;
    });
  return [head, rule, ...rows].join("\n");
}

/** docs/conformance.md. */
export function conformancePage(report: Report): string {
  return `# Conformance

What a proxy must do is written in RFC 9110, 9112, 1928 and 1929; what it must refuse is not written anywhere and still
decides whether it can be left running. \`npm run conformance\` checks both on the wire: each case sends its own bytes
through a proxy to an origin that it plays itself, byte for byte, and looks at what each side gets. It knows nothing of
the proxy but its address and a credential, so every proxy is measured the same way.

${scoreTable(report)}

Measured on ${report.date}; this page is generated: \`npm run conformance -- --peer all --docs\`.

- A case passes or fails; it does not apply where the proxy lacks what it is about (–), and then it does not count.
- Where the standard leaves a choice (refuse the message, or send it on in one clear meaning), either passes. The
  origin is a strict reader: a message that it cannot read, or could read in two ways, fails the case.
- The cases run in a network of their own in which only loopback can be reached. There 10.0.0.1, 169.254.169.254 and
  the like are addresses of that machine, so that a proxy that is lured there shows it and harms nobody.
- The refusals are what a proxy that strangers use must have. The others can be configured to have some of them (squid
  by access lists, for instance); they are measured as they come, with nothing set but credentials.

How each was set up:

${report.subjects.map(({ name, about }) => `- **${name}**: ${about}`).join("\n")}

## What we do otherwise on purpose

- **Via toward the target** (RFC 9110 §7.6.3, MUST): residential use wants none. Clients get \`Via: 1.1 atlantic\`. No
  case counts it, for anybody.

The cases were written beside our gateway, which was mended wherever one failed: its 100 % says that nothing that we
thought of is wrong, not that nothing is. What nobody thought of is for the two runs below.

## Differential runs

\`npm run conformance -- --differential\` sends the same 500 generated requests through ours and through squid (methods,
fields, bodies by length and in chunks, Connection options, URLs in all spellings) and compares what the origin got and
what the client got. What differs must be explained by a rule with its section, in
[conformance/differential/explained.ts](../conformance/differential/explained.ts); anything else fails the run.

## Fuzzing

\`npm run fuzz\` feeds the readers of everything that comes from outside (SOCKS5 messages, request and response heads,
bodies, user names, receipts) with generated and mutated input and checks that they throw only their declared errors, read
the same whether the bytes come at once or in pieces, and print what they read. The last long run is kept in
[conformance/results/](../conformance/results/).

${groups.map((group) => `## ${groupTitles[group]}\n\n${caseTable(report, group)}`).join("\n\n")}
`;
}

/** The report of one proxy. */
export function subjectReport(
  subject: { readonly name: string; readonly about: string },
  results: readonly {
    readonly id: string;
    readonly outcome: "pass" | "fail" | "not applicable";
    readonly saw?: string;
  }[],
): SubjectReport {
  const known = new Map(allCases.map((one) => [one.id, one]));
  return {
    name: subject.name,
    about: subject.about,
    scores: scoresOf(
      allCases.filter(({ id }) => results.some((result) => result.id === id)),
      results,
    ),
    results: results.flatMap((result) => {
      const one = known.get(result.id);
      if (one === undefined) return [];
      const { group, level, section, must } = one;
      return [{ ...result, group, level, section, must }];
    }),
  };
}
