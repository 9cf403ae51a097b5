// Reports tasks whose use of processors is above a threshold, for some ticks in a row.
#include <math.h>
#include <stdlib.h>
#include "threshold.h"

// For how many ticks a task has been above the threshold.
typedef struct {
  wca_policy_types_key_t key;
  uint32_t above;
} entry_t;

static double threshold;
static uint32_t ticks = 3;

// A hash table of a power of two entries, at most half of them in use. No task has key 0.
static entry_t *table;
static size_t capacity;

static entry_t *find(entry_t *in, size_t size, uint64_t key) {
  size_t at = (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & (size - 1);
  while (in[at].key != 0 && in[at].key != key) at = (at + 1) & (size - 1);
  return &in[at];
}

// A table of this tick's tasks with the counts of the last: those who departed are left behind.
static bool renew(const wca_policy_now_list_key_t *keys) {
  size_t size = 16;
  while (size < 2 * keys->len) size *= 2;
  entry_t *fresh = calloc(size, sizeof(entry_t));
  if (!fresh) return false;
  for (size_t row = 0; row < keys->len; row++) {
    entry_t *entry = find(fresh, size, keys->ptr[row]);
    entry->key = keys->ptr[row];
    if (capacity) entry->above = find(table, capacity, entry->key)->above;
  }
  free(table);
  table = fresh;
  capacity = size;
  return true;
}

static bool report(wca_policy_types_key_t key, double value, threshold_failure_t *err) {
  wca_policy_types_sample_t sample = {.value = value, .kind = WCA_POLICY_TYPES_METRIC_KIND_GAUGE};
  threshold_string_set(&sample.name, "rate");
  wca_policy_report_list_key_t nobody = {0};
  wca_policy_report_list_sample_t evidence = {.ptr = &sample, .len = 1};
  wca_policy_report_refusal_t refusal;
  if (wca_policy_report_contention(WCA_POLICY_TYPES_CONTENDED_CPUS, key, &nobody, &evidence, &refusal)) return true;
  static const char *const texts[] = {"gone", "too many", "not granted", "invalid", "unsupported"};
  threshold_string_dup(err, texts[refusal.tag]);
  wca_policy_report_refusal_free(&refusal);
  return false;
}

bool exports_threshold_configure(double new_threshold, uint32_t *new_ticks, threshold_string_t *err) {
  if (isnan(new_threshold)) {
    threshold_string_dup(err, "threshold: a number is wanted");
    return false;
  }
  threshold = new_threshold;
  ticks = new_ticks ? *new_ticks : 3;
  free(table);
  table = NULL;
  capacity = 0;
  return true;
}

bool exports_threshold_detect(threshold_failure_t *err) {
  // Asked for so that every language does the same work; `renew` knows who departed.
  wca_policy_now_roster_change_t change;
  wca_policy_now_roster_changes(&change);
  wca_policy_now_roster_change_free(&change);

  threshold_string_t metric;
  threshold_string_set(&metric, "task_cpu_usage_seconds");
  threshold_list_list_f64_t columns;
  wca_policy_now_rates(&metric, &columns);
  wca_policy_now_list_key_t keys;
  wca_policy_now_keys(&keys);

  bool done = renew(&keys);
  if (!done) threshold_string_dup(err, "out of memory");
  for (size_t row = 0; done && row < keys.len; row++) {
    double value = 0;
    for (size_t column = 0; column < columns.len; column++) value += columns.ptr[column].ptr[row];
    entry_t *entry = find(table, capacity, keys.ptr[row]);
    entry->above = value > threshold ? entry->above + 1 : 0;
    if (entry->above >= ticks) done = report(entry->key, value, err);
  }
  threshold_list_list_f64_free(&columns);
  wca_policy_now_list_key_free(&keys);
  return done;
}
