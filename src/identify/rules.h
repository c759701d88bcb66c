#ifndef HST_IDENTIFY_RULES_H
#define HST_IDENTIFY_RULES_H
/** @file
 * The rules of api/families.yaml as tables, and what holds of them. A rule asks questions of a subject: the tensors of a model (keys.h), or
 * the layers that a LoRA adapts (lora.h). Pure; any thread. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Kinds of lines. */
enum hst_rule_kind {
    HST_RULE_NAME,   /**< there is something of this name */
    HST_RULE_SHAPE,  /**< one of its dimensions compares */
    HST_RULE_RANK,   /**< it has so many dimensions */
    HST_RULE_COUNT,  /**< the subject has fewer than so many */
    HST_RULE_PACKED, /**< its shape is not the layer's */
    HST_RULE_INDEX,  /**< a number in its name compares */
};
/** How a line compares. */
enum hst_rule_compare {
    HST_RULE_EQUAL, /**< equals one of the values */
    HST_RULE_OTHER, /**< equals none */
    HST_RULE_LEAST, /**< is at least the first */
    HST_RULE_BELOW, /**< is below the first */
};
/** Most values of a line. */
#define HST_RULE_VALUES 4
/** A line of `when`. */
struct hst_rule_line {
    enum hst_rule_kind kind;          /**< what it asks */
    bool negate;                      /**< it must not hold */
    int dim;                          /**< dimension, from the end when negative; or which number of a name, from 1 */
    enum hst_rule_compare compare;    /**< how */
    uint64_t values[HST_RULE_VALUES]; /**< with what; 0 = none */
    const char *const *names;         /**< any of them, ended by NULL; NULL for HST_RULE_COUNT */
};
/** What a rule says, or what one of its cases adds. */
struct hst_rule_case {
    const char *family;                /**< or NULL */
    bool has_family;                   /**< does it say anything of the family, be it that it is not known? */
    const char *variant;               /**< or NULL */
    const char *undecided;             /**< the hint that would settle it; NULL = decided */
    const char *const *between;        /**< possible answers, ended by NULL; NULL = any */
    const struct hst_rule_line *lines; /**< all must hold */
    size_t line_count;                 /**< of lines */
};
/** A rule. */
struct hst_rule {
    const char *type;                  /**< of the model */
    const char *role;                  /**< of its main component */
    const char *runner_up;             /**< likeliest other family, or NULL */
    const char *rival;                 /**< a family that looks the same, and that hints may name instead; or NULL */
    struct hst_rule_case base;         /**< what must hold */
    const struct hst_rule_case *cases; /**< the first that holds refines it */
    size_t case_count;                 /**< of cases */
};
/** Prefix of a part of a single-file checkpoint. */
struct hst_rule_part {
    const char *prefix; /**< of the names of its tensors */
    const char *role;   /**< of the component that they make */
    const char *family; /**< only in a model of this one; NULL = in any */
};
/** general.architecture of a GGUF file. */
struct hst_rule_architecture {
    const char *name;   /**< as written there */
    const char *type;   /**< of the model; NULL = it says nothing */
    const char *family; /**< or NULL */
};
/** How quantisers mark their weights. */
struct hst_rule_storage {
    const char *name;   /**< nf4, fp8_scaled ... */
    const char *suffix; /**< of a tensor that only they write */
};
/** What others say, and what it means. */
struct hst_rule_hint {
    const char *family;              /**< or NULL */
    const char *variant;             /**< or NULL */
    const char *const *architecture; /**< patterns of modelspec.architecture; NULL = none */
    const char *const *ss;           /**< of ss_base_model_version */
    const char *const *config;       /**< of the class, scaling factor or prediction type that a config.json names */
    const char *const *base_model;   /**< of what sidecars call the base model */
    const char *const *name;         /**< tokens of the file's name */
    const char *const *unless;       /**< tokens beside it that make it mean something else */
};

/** Something that a question found. */
struct hst_rule_seen {
    const char *prefix;    /**< taken off before the name; "" = none */
    const char *name;      /**< borrowed */
    const uint64_t *shape; /**< `rank` sizes */
    uint32_t rank;         /**< of shape */
    bool packed;           /**< the shape is not the layer's */
    const uint64_t *index; /**< numbers of the name (HST_RULE_INDEX), or NULL */
    size_t index_count;    /**< of index */
};
/** What rules are asked of. */
struct hst_rule_subject {
    const void *context; /**< for find */
    size_t count;        /**< of its things */
    bool (*find)(const void *context, const char *name, size_t *cursor, struct hst_rule_seen *ret_seen); /**< the next of this name; *cursor begins with 0 */
};
/** A verdict of the tables. */
struct hst_rule_result {
    const struct hst_rule *rule;         /**< the first that holds; NULL = none */
    const struct hst_rule_case *refined; /**< the first of its cases that holds; NULL = none */
    const char *runner_up;               /**< next best family, or NULL */
};

/** Which rule holds? */
struct hst_rule_result hst_rules_judge(const struct hst_rule *rules, size_t count, const struct hst_rule_subject *subject);
/** The first thing that makes the line hold; false when nothing does (or, for a negated line, when it holds for want of any). */
bool hst_rules_seen(const struct hst_rule_line *line, const struct hst_rule_subject *subject, struct hst_rule_seen *ret_seen);
/** Family, variant, open question and possible answers of a verdict: what the case says goes before what the rule says. */
struct hst_rule_case hst_rules_answer(const struct hst_rule_result *result);
#endif
