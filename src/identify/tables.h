#ifndef HST_IDENTIFY_TABLES_H
#define HST_IDENTIFY_TABLES_H
/** @file
 * The tables that tools/gen_families.py makes of api/families.yaml, where each is explained. */
#include "identify/rules.h"

extern const struct hst_rule *const hst_table_rules;                 /**< by tensors */
extern const size_t hst_table_rule_count;                            /**< of them */
extern const struct hst_rule *const hst_table_lora_rules;            /**< by the layers that a LoRA adapts */
extern const size_t hst_table_lora_rule_count;                       /**< of them */
extern const char *const hst_table_lora_unknown;                     /**< the hint that would settle a LoRA that no rule knows */
extern const char *const *const hst_table_prefixes;                  /**< of a checkpoint's main model */
extern const size_t hst_table_prefix_count;                          /**< of them */
extern const char *const *const hst_table_spare_prefixes;            /**< tried when nothing fits */
extern const size_t hst_table_spare_prefix_count;                    /**< of them */
extern const struct hst_rule_part *const hst_table_parts;            /**< of a single-file checkpoint */
extern const size_t hst_table_part_count;                            /**< of them */
extern const struct hst_rule_architecture *const hst_table_architectures; /**< of GGUF files */
extern const size_t hst_table_architecture_count;                    /**< of them */
extern const struct hst_rule_storage *const hst_table_storages;      /**< marks of quantisers */
extern const size_t hst_table_storage_count;                         /**< of them */
extern const char *const *const hst_table_lora_prefixes;             /**< taken off the names of an adapter's layers */
extern const size_t hst_table_lora_prefix_count;                     /**< of them */
extern const struct hst_rule_hint *const hst_table_hints;            /**< what others say */
extern const size_t hst_table_hint_count;                            /**< of them */
#endif
