#include "identify/rules.h"

#include <string.h>

/* What a line comes to. A shape that is packed says neither yes nor no: such a line does not hold, negated or not. */
enum answer { NO, YES, UNKNOWN };

static bool compares(const struct hst_rule_line *line, uint64_t value)
{
    if (line->compare == HST_RULE_LEAST) return value >= line->values[0];
    if (line->compare == HST_RULE_BELOW) return value < line->values[0];
    bool equal = false;
    for (size_t i = 0; i < HST_RULE_VALUES && line->values[i] != 0; i++)
        equal = equal || line->values[i] == value;
    return equal == (line->compare == HST_RULE_EQUAL);
}

static enum answer ask_shape(const struct hst_rule_line *line, const struct hst_rule_seen *seen)
{
    int dim = line->dim < 0 ? (int)seen->rank + line->dim : line->dim;
    if (seen->packed) return UNKNOWN;
    return dim >= 0 && dim < (int)seen->rank && compares(line, seen->shape[dim]) ? YES : NO;
}

static enum answer ask_index(const struct hst_rule_line *line, const struct hst_rule_seen *seen)
{
    size_t at = (size_t)line->dim - 1;
    return seen->index != NULL && at < seen->index_count && compares(line, seen->index[at]) ? YES : NO;
}

static enum answer ask_one(const struct hst_rule_line *line, const struct hst_rule_seen *seen)
{
    switch (line->kind) {
    case HST_RULE_SHAPE: return ask_shape(line, seen);
    case HST_RULE_RANK: return seen->packed ? UNKNOWN : seen->rank == line->values[0] ? YES : NO;
    case HST_RULE_PACKED: return seen->packed ? YES : NO;
    case HST_RULE_INDEX: return ask_index(line, seen);
    default: return YES;
    }
}

static enum answer ask_name(const struct hst_rule_line *line, const struct hst_rule_subject *subject, const char *name, struct hst_rule_seen *ret_seen)
{
    enum answer best = NO;
    struct hst_rule_seen seen;
    for (size_t cursor = 0; best != YES && subject->find(subject->context, name, &cursor, &seen);) {
        enum answer answer = ask_one(line, &seen);
        if (answer == NO) continue;
        best = answer;
        *ret_seen = seen;
    }
    return best;
}

static enum answer ask(const struct hst_rule_line *line, const struct hst_rule_subject *subject, struct hst_rule_seen *ret_seen)
{
    enum answer best = NO;
    if (line->kind == HST_RULE_COUNT) return subject->count < line->values[0] ? YES : NO;
    for (size_t i = 0; best != YES && line->names[i] != NULL; i++) {
        enum answer answer = ask_name(line, subject, line->names[i], ret_seen);
        if (answer != NO) best = answer;
    }
    return best;
}

static bool holds(const struct hst_rule_line *line, const struct hst_rule_subject *subject)
{
    struct hst_rule_seen seen;
    return ask(line, subject, &seen) == (line->negate ? NO : YES);
}

static bool fits(const struct hst_rule_case *what, const struct hst_rule_subject *subject)
{
    for (size_t i = 0; i < what->line_count; i++)
        if (!holds(&what->lines[i], subject)) return false;
    return true;
}

bool hst_rules_seen(const struct hst_rule_line *line, const struct hst_rule_subject *subject, struct hst_rule_seen *ret_seen)
{
    return line->kind != HST_RULE_COUNT && ask(line, subject, ret_seen) == YES;
}

struct hst_rule_case hst_rules_answer(const struct hst_rule_result *result)
{
    struct hst_rule_case answer = result->rule->base;
    const struct hst_rule_case *refined = result->refined;
    if (refined == NULL) return answer;
    bool settles = refined->undecided != NULL || refined->variant != NULL || refined->has_family;
    if (refined->has_family) answer.family = refined->family;
    if (refined->variant != NULL) answer.variant = refined->variant;
    if (settles) answer.undecided = refined->undecided;
    if (refined->between != NULL || settles) answer.between = refined->between;
    return answer;
}

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Could this rule be the runner-up: one of the same type that names another family? */
static bool rivals(const struct hst_rule *rule, const struct hst_rule *best, const char *family)
{
    return rule->base.family != NULL && !same(rule->base.family, family) && strcmp(rule->type, best->type) == 0;
}

/* A later rule that fits, too, else the family that the rule itself names. */
static const char *find_runner_up(const struct hst_rule *rules, size_t count, const struct hst_rule_subject *subject, const struct hst_rule *best, const char *family)
{
    for (const struct hst_rule *rule = best + 1; rule < rules + count; rule++)
        if (rivals(rule, best, family) && fits(&rule->base, subject)) return rule->base.family;
    return best->runner_up;
}

struct hst_rule_result hst_rules_judge(const struct hst_rule *rules, size_t count, const struct hst_rule_subject *subject)
{
    struct hst_rule_result result = {0};
    for (size_t i = 0; result.rule == NULL && i < count; i++)
        if (fits(&rules[i].base, subject)) result.rule = &rules[i];
    if (result.rule == NULL) return result;
    for (size_t i = 0; result.refined == NULL && i < result.rule->case_count; i++)
        if (fits(&result.rule->cases[i], subject)) result.refined = &result.rule->cases[i];
    struct hst_rule_case answer = hst_rules_answer(&result);
    const char *runner_up = find_runner_up(rules, count, subject, result.rule, answer.family);
    result.runner_up = same(runner_up, answer.family) ? NULL : runner_up;
    return result;
}
