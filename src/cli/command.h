#ifndef HST_CLI_COMMAND_H
#define HST_CLI_COMMAND_H
/** @file
 * Commands: each is a row of a table (main.c), from which parsing, help, man pages and shell completion are made. */
#include "hoist/hoist.h"
#include <jansson.h>
#include <stdbool.h>

/** Exit codes of the contract. */
enum hst_exit {
    HST_EXIT_DONE = 0,        /**< it worked */
    HST_EXIT_FAILED = 1,      /**< it did not */
    HST_EXIT_USAGE = 2,       /**< wrong command line */
    HST_EXIT_NOT_FOUND = 3,   /**< no such model, component, device */
    HST_EXIT_MEMORY = 4,      /**< not enough memory */
    HST_EXIT_INVALID = 5,     /**< invalid or unsafe file */
    HST_EXIT_UNREACHABLE = 69, /**< no daemon */
};

/** Options; each command takes some of them. */
enum hst_option_id {
    HST_OPTION_SOCKET,    /**< --socket PATH */
    HST_OPTION_JSON,      /**< --json */
    HST_OPTION_HELP,      /**< --help */
    HST_OPTION_TYPE,      /**< --type T */
    HST_OPTION_FAMILY,    /**< --family F */
    HST_OPTION_SEARCH,    /**< --search S */
    HST_OPTION_DEVICE,    /**< --device D */
    HST_OPTION_PRECISION, /**< --precision P */
    HST_OPTION_COMPONENT, /**< --component ROLE */
    HST_OPTION_PIN,       /**< --pin */
    HST_OPTION_DRY_RUN,   /**< --dry-run */
    HST_OPTION_LEVEL,     /**< --optimize LEVEL */
    HST_OPTION_ALL,       /**< --all */
    HST_OPTION_SINCE,     /**< --since ID */
    HST_OPTION_DEEP,      /**< --deep */
    HST_OPTION_WITH,      /**< --with MODEL */
    HST_OPTION_TARGET,    /**< --target WHERE */
    HST_OPTION_PAUSE,     /**< --pause */
    HST_OPTION_RESUME,    /**< --resume */
    HST_OPTION_CANCEL,    /**< --cancel */
    HST_OPTION_OUTPUT,    /**< --output FILE */
    HST_OPTION_OVERWRITE, /**< --overwrite */
    HST_OPTION_DECISIONS, /**< --decisions */
    HST_OPTION_NO_PIN,    /**< --no-pin */
    HST_OPTION_TTL,       /**< --ttl SECONDS */
    HST_OPTION_PRIORITY,  /**< --priority N */
    HST_OPTION_PATTERNS,  /**< --patterns */
    HST_OPTION_REORGANIZE, /**< --reorganize */
    HST_OPTION_DROP_IDLE, /**< --drop-idle SECONDS */
    HST_OPTION_COUNT,     /**< how many */
};

/** An option's description. */
struct hst_option {
    const char *name;     /**< without dashes */
    const char *argument; /**< name of its argument, or NULL */
    const char *help;     /**< one sentence */
};
/** The options by id. */
extern const struct hst_option hst_options[HST_OPTION_COUNT];

/** Most arguments and most --component of a command line. */
#define HST_ARGUMENTS_MAX 256

struct hst_command;

/** A parsed command line. Texts are borrowed from argv. */
struct hst_arguments {
    const struct hst_command *command;        /**< which */
    const char *values[HST_OPTION_COUNT];     /**< by option: its argument, "" for a flag, NULL when not given */
    const char *components[HST_ARGUMENTS_MAX]; /**< every --component */
    size_t component_count;                   /**< of components */
    char **rest;                              /**< what is no option; NULL-ended */
    size_t count;                             /**< of rest */
};

/** A command. */
struct hst_command {
    const char *name;    /**< "load" */
    const char *usage;   /**< positional arguments: "MODEL" */
    const char *summary; /**< one line */
    const char *details; /**< paragraphs for the man page and --help */
    unsigned long options; /**< bits 1 << enum hst_option_id, besides --socket, --json and --help */
    size_t least;        /**< positional arguments at least */
    size_t most;         /**< at most */
    int (*run)(const struct hst_arguments *arguments); /**< returns the exit code */
};
/** Every command, ended by a NULL name. */
extern const struct hst_command hst_commands[];

/** Was a flag or option given? */
static inline bool hst_given(const struct hst_arguments *arguments, enum hst_option_id option)
{
    return arguments->values[option] != NULL;
}

/** Print what a model is, for people. */
void hst_command_print_model(const json_t *model);

/** An integer as JSON; false when the text is none. */
bool hst_command_number(const char *text, json_t **ret_number);

int hst_command_scan(const struct hst_arguments *arguments);   /**< hoist scan */
int hst_command_ls(const struct hst_arguments *arguments);     /**< hoist ls */
int hst_command_show(const struct hst_arguments *arguments);   /**< hoist show */
int hst_command_tag(const struct hst_arguments *arguments);    /**< hoist tag */
int hst_command_verify(const struct hst_arguments *arguments); /**< hoist verify */
int hst_command_hash(const struct hst_arguments *arguments);   /**< hoist hash */
int hst_command_cache(const struct hst_arguments *arguments);  /**< hoist cache */
int hst_command_load(const struct hst_arguments *arguments);   /**< hoist load */
int hst_command_pin(const struct hst_arguments *arguments);    /**< hoist pin */
int hst_command_unpin(const struct hst_arguments *arguments);  /**< hoist unpin */
int hst_command_plan(const struct hst_arguments *arguments);   /**< hoist plan */
int hst_command_unload(const struct hst_arguments *arguments); /**< hoist unload */
int hst_command_evict(const struct hst_arguments *arguments);  /**< hoist evict */
int hst_command_ps(const struct hst_arguments *arguments);     /**< hoist ps */
int hst_command_status(const struct hst_arguments *arguments); /**< hoist status */
int hst_command_events(const struct hst_arguments *arguments); /**< hoist events */
int hst_command_call(const struct hst_arguments *arguments);   /**< hoist call */
int hst_command_exec(const struct hst_arguments *arguments);   /**< hoist exec */
int hst_command_serve(const struct hst_arguments *arguments);  /**< hoist serve */
int hst_command_convert(const struct hst_arguments *arguments); /**< hoist convert */
int hst_command_config(const struct hst_arguments *arguments); /**< hoist config */
int hst_command_doctor(const struct hst_arguments *arguments); /**< hoist doctor */
#endif
