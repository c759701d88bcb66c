#include "cli/manual.h"

#include "cli/term.h"

#include <string.h>

static const unsigned long everywhere = 1ul << HST_OPTION_SOCKET | 1ul << HST_OPTION_JSON | 1ul << HST_OPTION_HELP;
static const char exit_codes[] = "0 done, 1 failed, 2 usage, 3 not found, 4 not enough memory, 5 invalid or unsafe file, 69 daemon not reachable";

static bool takes(const struct hst_command *command, int option)
{
    return ((command->options | everywhere) >> option & 1) != 0;
}

int hst_manual_overview(void)
{
    printf("hoist: one copy of every model's weights per machine\n\nusage: hoist COMMAND [OPTION]...\n\n");
    for (const struct hst_command *command = hst_commands; command->name != NULL; command++)
        printf("  %-8s %s\n", command->name, command->summary);
    printf("\nhoist COMMAND --help tells more. Exit codes: %s.\n", exit_codes);
    return HST_EXIT_DONE;
}

static void print_option(const struct hst_option *option)
{
    char name[64];
    snprintf(name, sizeof name, "--%s%s%s", option->name, option->argument != NULL ? " " : "", option->argument != NULL ? option->argument : "");
    printf("  %-22s %s\n", name, option->help);
}

int hst_manual_help(const struct hst_command *command)
{
    printf("hoist %s: %s\n\nusage: hoist %s [OPTION]... %s\n", command->name, command->summary, command->name, command->usage);
    if (command->details[0] != '\0') printf("\n%s\n", command->details);
    printf("\n");
    for (int i = 0; i < HST_OPTION_COUNT; i++)
        if (takes(command, i)) print_option(&hst_options[i]);
    return HST_EXIT_DONE;
}

/* Text of a man page: a hyphen that is meant as such needs a backslash, and no line may begin with a dot. */
static void print_roff(const char *text)
{
    for (; *text != '\0'; text++)
        printf(*text == '-' ? "\\-" : *text == '\\' ? "\\e" : "%c", *text);
}

static void print_page_options(const struct hst_command *command)
{
    printf(".SH OPTIONS\n");
    for (int i = 0; i < HST_OPTION_COUNT; i++) {
        if (!takes(command, i)) continue;
        printf(".TP\n.BR \\-\\-");
        print_roff(hst_options[i].name);
        if (hst_options[i].argument != NULL) printf(" \" \\fI%s\\fR\"", hst_options[i].argument);
        printf("\n");
        print_roff(hst_options[i].help);
        printf(".\n");
    }
}

static void print_page_commands(void)
{
    printf(".SH COMMANDS\n");
    for (const struct hst_command *command = hst_commands; command->name != NULL; command++) {
        printf(".TP\n.BR hoist\\-%s (1)\n", command->name);
        print_roff(command->summary);
        printf(".\n");
    }
}

static void print_page_head(const char *dash, const char *name, const char *summary, const char *synopsis)
{
    printf(".TH HOIST%s%s 1 \"\" \"hoist %s\" \"User Commands\"\n.SH NAME\nhoist%s%s \\- ", dash, name, hoist_version(), dash, name);
    print_roff(summary);
    printf("\n.SH SYNOPSIS\n.B hoist %s\n[\\fIOPTION\\fR]... ", name[0] != '\0' ? name : "COMMAND");
    print_roff(synopsis);
    printf("\n.SH DESCRIPTION\n");
}

int hst_manual_page(const struct hst_command *command)
{
    if (command != NULL) {
        print_page_head("\\-", command->name, command->summary, command->usage);
        print_roff(command->details);
        printf("\n");
        print_page_options(command);
    } else {
        print_page_head("", "", "one copy of every model's weights per machine", "");
        printf("The command line of hoist, a client of\n.BR hoistd (1).\n");
        print_page_commands();
    }
    printf(".SH \"EXIT STATUS\"\n%s.\n.SH \"SEE ALSO\"\n.BR hoist (1),\n.BR hoistd (1)\n", exit_codes);
    return HST_EXIT_DONE;
}

static void complete_bash(void)
{
    printf("_hoist() {\n  local words\n  case \"${COMP_WORDS[1]}\" in\n");
    for (const struct hst_command *command = hst_commands; command->name != NULL; command++) {
        printf("    %s) words=\"", command->name);
        for (int i = 0; i < HST_OPTION_COUNT; i++)
            if (takes(command, i)) printf("--%s ", hst_options[i].name);
        printf("\" ;;\n");
    }
    printf("  esac\n  if [ \"$COMP_CWORD\" -eq 1 ]; then words=\"");
    for (const struct hst_command *command = hst_commands; command->name != NULL; command++)
        printf("%s ", command->name);
    printf("\"; fi\n  case \"${COMP_WORDS[1]}\" in show|tag|cache|evict|load|unload|pin|unpin|plan)\n"
           "    [ \"$COMP_CWORD\" -gt 1 ] && words=\"$words $(hoist ls 2>/dev/null | awk 'NR > 1 { print $1 }')\" ;; esac\n"
           "  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\ncomplete -o default -F _hoist hoist\n");
}

static void complete_zsh(void)
{
    printf("#compdef hoist\n_hoist() {\n  if (( CURRENT == 2 )); then\n    local -a commands=(\n");
    for (const struct hst_command *command = hst_commands; command->name != NULL; command++)
        printf("      \"%s:%s\"\n", command->name, command->summary);
    printf("    )\n    _describe command commands\n    return\n  fi\n  case $words[2] in\n");
    for (const struct hst_command *command = hst_commands; command->name != NULL; command++) {
        printf("    %s) _arguments '*:argument:_default'", command->name);
        for (int i = 0; i < HST_OPTION_COUNT; i++)
            if (takes(command, i)) printf(" '--%s[%s]%s%s'", hst_options[i].name, hst_options[i].help, hst_options[i].argument != NULL ? ":" : "", hst_options[i].argument != NULL ? hst_options[i].argument : "");
        printf(" ;;\n");
    }
    printf("  esac\n}\n_hoist \"$@\"\n");
}

static void complete_fish(void)
{
    for (const struct hst_command *command = hst_commands; command->name != NULL; command++) {
        printf("complete -c hoist -n __fish_use_subcommand -a %s -d \"%s\"\n", command->name, command->summary);
        for (int i = 0; i < HST_OPTION_COUNT; i++)
            if (takes(command, i))
                printf("complete -c hoist -n \"__fish_seen_subcommand_from %s\" -l %s%s -d \"%s\"\n", command->name, hst_options[i].name, hst_options[i].argument != NULL ? " -r" : "", hst_options[i].help);
    }
}

int hst_manual_completion(const char *shell)
{
    static const struct {
        const char *shell;
        void (*print)(void);
    } shells[] = {{"bash", complete_bash}, {"zsh", complete_zsh}, {"fish", complete_fish}};
    for (size_t i = 0; i < sizeof shells / sizeof shells[0]; i++) {
        if (strcmp(shells[i].shell, shell) != 0) continue;
        shells[i].print();
        return HST_EXIT_DONE;
    }
    return hst_term_usage("completion is for bash, zsh or fish");
}
