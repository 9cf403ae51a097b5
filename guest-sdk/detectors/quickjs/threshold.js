// Reports tasks whose use of processors is above a threshold, for some ticks in a row.
import { keys, rates, rosterChanges } from "wca:policy/now@0.1.0";
import { contention } from "wca:policy/report@0.1.0";

let threshold = 0;
let ticks = 3;
// For how many ticks each task has been above the threshold. An object: QuickJS is slow with a large Map.
let above = {};

export function configure(newThreshold, newTicks) {
  if (Number.isNaN(newThreshold)) throw "threshold: a number is wanted";
  threshold = newThreshold;
  ticks = newTicks ?? 3;
  above = {};
}

export function detect() {
  for (const key of rosterChanges().departed) delete above[key];
  const columns = rates("task_cpu_usage_seconds");
  keys().forEach((key, row) => {
    let value = 0;
    for (const column of columns) value += column[row];
    const count = value > threshold ? (above[key] ?? 0) + 1 : 0;
    above[key] = count;
    if (count >= ticks) {
      const evidence = { name: "rate", labels: [], value, kind: "gauge", help: "" };
      try {
        contention("cpus", key, [], [evidence]);
      } catch (refusal) {
        // An uncaught refusal would end the instance without a text.
        throw `${refusal.payload?.tag ?? refusal}: ${refusal.payload?.val ?? ""}`;
      }
    }
  });
}
