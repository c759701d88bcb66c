#include "identify/tables.h"

#include "families.inc"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

const struct hst_rule *const hst_table_rules = rules;
const size_t hst_table_rule_count = COUNT(rules);
const struct hst_rule *const hst_table_lora_rules = lora_rules;
const size_t hst_table_lora_rule_count = COUNT(lora_rules);
const char *const hst_table_lora_unknown = lora_unknown;
const char *const *const hst_table_prefixes = prefixes;
const size_t hst_table_prefix_count = COUNT(prefixes);
const char *const *const hst_table_spare_prefixes = spare_prefixes;
const size_t hst_table_spare_prefix_count = COUNT(spare_prefixes);
const struct hst_rule_part *const hst_table_parts = parts;
const size_t hst_table_part_count = COUNT(parts);
const struct hst_rule_architecture *const hst_table_architectures = architectures;
const size_t hst_table_architecture_count = COUNT(architectures);
const struct hst_rule_storage *const hst_table_storages = storages;
const size_t hst_table_storage_count = COUNT(storages);
const char *const *const hst_table_lora_prefixes = lora_prefixes;
const size_t hst_table_lora_prefix_count = COUNT(lora_prefixes);
const struct hst_rule_hint *const hst_table_hints = hints;
const size_t hst_table_hint_count = COUNT(hints);
