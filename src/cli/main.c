/* hoist: the command line. Every command is a row of the table below; help, man pages and completion are made of it. */
#include "cli/manual.h"
#include "cli/term.h"

#include <string.h>

#define BIT(option) (1ul << HST_OPTION_##option)
#define LOADING (BIT(DEVICE) | BIT(PRECISION) | BIT(COMPONENT) | BIT(LEVEL) | BIT(PIN))

const struct hst_option hst_options[HST_OPTION_COUNT] = {
    [HST_OPTION_SOCKET] = {"socket", "PATH", "socket of the daemon (default: $HOIST_SOCKET, then the usual places)"},
    [HST_OPTION_JSON] = {"json", NULL, "print JSON"},
    [HST_OPTION_HELP] = {"help", NULL, "show this help"},
    [HST_OPTION_TYPE] = {"type", "TYPE", "only models of this type: checkpoint, lora, vae, llm, ..."},
    [HST_OPTION_FAMILY] = {"family", "FAMILY", "only models of this family: sdxl, flux1, ..."},
    [HST_OPTION_SEARCH] = {"search", "TEXT", "only models with this in their id, name, family or path"},
    [HST_OPTION_DEVICE] = {"device", "DEVICE", "device: host:0, cuda:0, a UUID (default of loads: the first card, or host:0)"},
    [HST_OPTION_PRECISION] = {"precision", "PRECISION", "fp32, fp16, bf16, fp8 (default: as stored)"},
    [HST_OPTION_COMPONENT] = {"component", "ROLE", "only this component; may be given several times"},
    [HST_OPTION_PIN] = {"pin", NULL, "never evict it to make room"},
    [HST_OPTION_DRY_RUN] = {"dry-run", NULL, "only say what would be done"},
    [HST_OPTION_LEVEL] = {"optimize", "LEVEL", "speed, balanced or memory"},
    [HST_OPTION_ALL] = {"all", NULL, "everything that nobody holds"},
    [HST_OPTION_DEEP] = {"deep", NULL, "read every byte: look for NaN and zeros, compare stated hashes"},
    [HST_OPTION_SINCE] = {"since", "ID", "kept events after this one first"},
    [HST_OPTION_WITH] = {"with", "MODEL", "say whether the two work together, by the shapes of their tensors"},
    [HST_OPTION_TARGET] = {"target", "WHERE", "sidecar (default), header or catalog"},
    [HST_OPTION_PAUSE] = {"pause", NULL, "hold up the scan that runs"},
    [HST_OPTION_RESUME] = {"resume", NULL, "let it go on"},
    [HST_OPTION_CANCEL] = {"cancel", NULL, "end it; what it has found stays"},
    [HST_OPTION_OUTPUT] = {"output", "FILE", "the file to write (default: beside the model, NAME-PRECISION.safetensors)"},
    [HST_OPTION_NO_PIN] = {"no-pin", NULL, "it may be evicted"},
    [HST_OPTION_TTL] = {"ttl", "SECONDS", "let it go when it was not used for so long; 0 = with its last user"},
    [HST_OPTION_PRIORITY] = {"priority", "N", "-10 to 10: each step doubles what it is worth when somebody has to go"},
    [HST_OPTION_OVERWRITE] = {"overwrite", NULL, "a file that is there may be replaced"},
    [HST_OPTION_DECISIONS] = {"decisions", NULL, "say why what was evicted was evicted, newest first"},
    [HST_OPTION_PATTERNS] = {"patterns", NULL, "say what was used when and after what, and what is expected next"},
    [HST_OPTION_REORGANIZE] = {"reorganize", NULL, "put RAM in order: share equal tensors, close holes, load what is expected next"},
    [HST_OPTION_DROP_IDLE] = {"drop-idle", "SECONDS", "with --reorganize: drop what was idle for so long and is not expected"},
};

const struct hst_command hst_commands[] = {
    {"serve", "[HOISTD OPTIONS]...", "run the daemon in the foreground", "Runs hoistd with the options that follow; see hoistd(1).", 0, 0, HST_ARGUMENTS_MAX, hst_command_serve},
    {"scan", "[DIR]...", "look for models", "Without DIR the daemon scans its folders. With DIR the folders are scanned here, without a daemon, and nothing is kept.",
     BIT(PAUSE) | BIT(RESUME) | BIT(CANCEL), 0, HST_ARGUMENTS_MAX / 2, hst_command_scan},
    {"ls", "", "list the models", "", BIT(TYPE) | BIT(FAMILY) | BIT(SEARCH), 0, 0, hst_command_ls},
    {"show", "MODEL", "say what a model is, and why", "Also what it needs and which models of the catalog would serve, and on which device it fits.", BIT(WITH), 1, 1,
     hst_command_show},
    {"tag", "MODEL [KEY=VALUE]...", "say what a model is, or what is known of it",
     "Without KEY=VALUE everything that is said about the model is shown, by source. family, type and variant are your word against what hoist found, and are kept in the catalog. "
     "title, description, author, license, trigger_words, tags, base_model, preferred_weight, notes and others go into the model's sidecar; with --target header into the file itself, "
     "whose weights stay as they are. KEY= takes back what was said.",
     BIT(TARGET), 1, HST_ARGUMENTS_MAX, hst_command_tag},
    {"verify", "MODEL_OR_FILE", "check a model, or a model file or folder",
     "Prints format, verdict, what is wrong at which byte, and what is missing. A file or folder needs no daemon; a model of the catalog is checked by it. NaN, infinities, weights of zeros "
     "alone and a stated hash of the tensors that does not agree are warnings. Exits 0, or 5 when it is not usable.",
     BIT(DEEP), 1, 1, hst_command_verify},
    {"hash", "MODEL", "say the hashes of a model", "Those that are not known yet are computed now: SHA-256, AutoV1, AutoV2, AutoV3, CRC-32, the tensor hash of modelspec, BLAKE3 where its library is.", 0, 1,
     1, hst_command_hash},
    {"cache", "[MODEL]", "bring a model into RAM, or look at how RAM is used",
     "With --patterns or --reorganize no MODEL is named. Predictions are right or wrong, and hoist counts both: hoistd loads ahead only while that saves more than it wastes (see its --predict).",
     (LOADING & ~BIT(DEVICE)) | BIT(PATTERNS) | BIT(REORGANIZE) | BIT(DROP_IDLE), 0, 1, hst_command_cache},
    {"evict", "MODEL", "free the RAM of a model", "What is in use stays, and is named.", BIT(COMPONENT) | BIT(ALL), 0, 1, hst_command_evict},
    {"load", "MODEL", "load a model to a device", "Five steps: validate, estimate, allocate, load, status. When one fails, everything is as it was before.", LOADING | BIT(TTL) | BIT(DRY_RUN), 1, 1,
     hst_command_load},
    {"unload", "MODEL", "take a model off its devices", "What is leased stays, and is named.", BIT(DEVICE) | BIT(COMPONENT) | BIT(ALL), 0, 1, hst_command_unload},
    {"pin", "MODEL", "keep a model in RAM", "It is brought there if need be, and never evicted to make room.", BIT(COMPONENT), 1, 1, hst_command_pin},
    {"unpin", "MODEL", "let a model go when room is needed", "", BIT(COMPONENT), 1, 1, hst_command_unpin},
    {"config", "MODEL", "say how a model is to be kept, whoever loads it",
     "Without options, what was said before. Kept over restarts. --pin: what is in RAM of it stays, and what comes there; more than the RAM budget cannot be pinned. --ttl: what is not "
     "pinned goes when it was not used for so long. --priority: who goes first when room is needed. --precision: of loads that name none. The word default takes one of these three back.",
     BIT(PIN) | BIT(NO_PIN) | BIT(TTL) | BIT(PRIORITY) | BIT(PRECISION), 1, 1, hst_command_config},
    {"ps", "", "list what is resident where, and for whom", "PRIVATE is what a process has of the weights for itself alone: the pages it has written to.", 0, 0, 0, hst_command_ps},
    {"status", "", "list RAM and the devices, and how full they are",
     "USED and BUDGET are hoist's books. DRIVER FREE and OTHERS are what a card's driver says: others are other programs, and the contexts of all that compute there.", 0, 0, 0, hst_command_status},
    {"plan", "[MODEL]", "say what a load would do, or why something was evicted",
     "What is there already, what is shared with other models, what is read from disk or from the page cache, what is converted; who has to go, in which order and why; how much RAM it "
     "takes, and how long, once something like it was measured. Nothing changes. A load that follows does exactly this unless things change in between: then it plans anew. With --decisions "
     "instead of MODEL: the last evictions, each with its reason, and whether it was a mistake.",
     LOADING | BIT(DECISIONS), 0, 1, hst_command_plan},
    {"exec", "[--] COMMAND [ARGUMENT]...", "run a program whose Python loads through hoist",
     "Every Python process below loads safetensors files through hoist. Arguments of the form @MODEL are replaced by the model's path.", 0, 1, HST_ARGUMENTS_MAX, hst_command_exec},
    {"call", "DOMAIN OPERATION [JSON]", "have a worker run an operation, or call the API",
     "DOMAIN is inference, postprocessing or processing. With GET, POST, PUT or DELETE and a path instead, any route of the API is called. JSON may be - for stdin.", 0, 2, 3,
     hst_command_call},
    {"events", "", "follow what happens", "", BIT(SINCE), 0, 0, hst_command_events},
    {"convert", "MODEL", "write a model in another precision",
     "Makes a safetensors file with the numbers that PyTorch's tensor.to(dtype) gives. --precision is fp64, fp32, fp16, bf16, fp8 (which is fp8_e4m3) or fp8_e5m2. Quantised weights, "
     "integers, and what suffers most stay as they are: a VAE that is not named with --component, norms and biases under fp8. The file is there whole or not at all.",
     BIT(PRECISION) | BIT(COMPONENT) | BIT(LEVEL) | BIT(OUTPUT) | BIT(OVERWRITE), 1, 1, hst_command_convert},
    {"doctor", "", "say what this machine lacks", "Exits 1 when there is something to look at.", 0, 0, 0, hst_command_doctor},
    {NULL, NULL, NULL, NULL, 0, 0, 0, NULL},
};

static const struct hst_command *find_command(const char *name)
{
    for (const struct hst_command *command = hst_commands; command->name != NULL; command++)
        if (strcmp(command->name, name) == 0) return command;
    return NULL;
}

static int find_option(const struct hst_command *command, const char *name, size_t length)
{
    unsigned long allowed = command->options | BIT(SOCKET) | BIT(JSON) | BIT(HELP);
    for (int i = 0; i < HST_OPTION_COUNT; i++)
        if ((allowed >> i & 1) != 0 && strlen(hst_options[i].name) == length && strncmp(hst_options[i].name, name, length) == 0) return i;
    return -1;
}

static int add_value(struct hst_arguments *arguments, int option, const char *value)
{
    arguments->values[option] = value;
    if (option != HST_OPTION_COMPONENT) return HST_EXIT_DONE;
    if (arguments->component_count >= HST_ARGUMENTS_MAX) return hst_term_usage("too many --component");
    arguments->components[arguments->component_count++] = value;
    return HST_EXIT_DONE;
}

/* "--name", "--name=value" or "--name value". *at moves on. */
static int parse_option(struct hst_arguments *arguments, char ***at)
{
    const char *name = **at + 2, *equals = strchr(name, '=');
    size_t length = equals != NULL ? (size_t)(equals - name) : strlen(name);
    int option = find_option(arguments->command, name, length);
    if (option < 0) return hst_term_usage("hoist %s has no option '%s'; see hoist %s --help", arguments->command->name, **at, arguments->command->name);
    if (hst_options[option].argument == NULL) return equals == NULL ? add_value(arguments, option, "") : hst_term_usage("--%s takes no value", hst_options[option].name);
    if (equals != NULL) return add_value(arguments, option, equals + 1);
    if ((*at)[1] == NULL) return hst_term_usage("--%s needs %s", hst_options[option].name, hst_options[option].argument);
    return add_value(arguments, option, *++*at);
}

/* Programs that are run keep their own options: the first word that is no option of ours ends ours. */
static bool passes_on(const struct hst_command *command)
{
    return command->run == hst_command_exec || command->run == hst_command_serve;
}

/* Does the argument end the options? *at moves behind a "--". */
static bool ends_options(const struct hst_arguments *arguments, char ***at, size_t count)
{
    bool dashes = strcmp(**at, "--") == 0;
    if (dashes) ++*at;
    if (dashes || arguments->command->run == hst_command_serve) return strcmp(**at != NULL ? **at : "", "--help") != 0 || count > 0;
    return passes_on(arguments->command) && (**at)[0] != '-';
}

static int parse(struct hst_arguments *arguments, char **argv)
{
    static char *rest[HST_ARGUMENTS_MAX + 1];
    bool options = true;
    arguments->rest = rest;
    for (char **at = argv; *at != NULL; at++) {
        options = options && !ends_options(arguments, &at, arguments->count);
        if (*at == NULL) break;
        bool is_option = options && strncmp(*at, "--", 2) == 0;
        int code = is_option ? parse_option(arguments, &at) : HST_EXIT_DONE;
        if (code != HST_EXIT_DONE) return code;
        if (is_option) continue;
        if (arguments->count >= HST_ARGUMENTS_MAX) return hst_term_usage("too many arguments");
        rest[arguments->count++] = *at;
    }
    return HST_EXIT_DONE;
}

static int run(const struct hst_command *command, char **argv)
{
    struct hst_arguments arguments = {.command = command};
    int code = parse(&arguments, argv);
    if (code != HST_EXIT_DONE) return code;
    if (hst_given(&arguments, HST_OPTION_HELP)) return hst_manual_help(command);
    if (arguments.count < command->least || arguments.count > command->most)
        return hst_term_usage("hoist %s %s; see hoist %s --help", command->name, command->usage, command->name);
    return command->run(&arguments);
}

static int show_overview(const char *argument)
{
    (void)argument;
    return hst_manual_overview();
}

static int show_version(const char *argument)
{
    (void)argument;
    printf("hoist %s\n", hoist_version());
    return HST_EXIT_DONE;
}

static int show_page(const char *argument)
{
    const struct hst_command *command = find_command(argument);
    bool known = command != NULL || argument[0] == '\0' || strcmp(argument, "hoist") == 0;
    return known ? hst_manual_page(command) : hst_term_usage("there is no command '%s'; see hoist --help", argument);
}

/* What may stand where a command stands. */
static const struct {
    const char *name;
    int (*run)(const char *argument);
} asked[] = {{"--help", show_overview}, {"help", show_overview}, {"-h", show_overview}, {"--version", show_version},
             {"--man", show_page}, {"--completion", hst_manual_completion}};

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "--help";
    const struct hst_command *command = find_command(name);
    if (command != NULL) return run(command, argv + 2);
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
        if (strcmp(asked[i].name, name) == 0) return asked[i].run(argc > 2 ? argv[2] : "");
    return hst_term_usage("there is no command '%s'; see hoist --help", name);
}
