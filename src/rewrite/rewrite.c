/* Checks, then: header, tensor after tensor through two buffers, are the model's files still the same, into place. */
#include "rewrite/rewrite.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/text.h"
#include "model/reread.h"
#include "os/folder.h"
#include "os/replace.h"
#include "os/space.h"

#include <stdio.h>
#include <string.h>

/* A rewriting under way. */
struct work {
    const struct hst_rewrite *rewrite;
    struct hst_sheet sheet;
    struct hst_strbuf head;
    struct hst_replace target;
    int *fds;              /* of the model's files; -1 = not open */
    uint8_t *in, *out;     /* HST_REWRITE_READ_BYTES, HST_REWRITE_WRITE_BYTES */
    size_t used;           /* of out */
    uint64_t done_bytes;   /* read */
    uint64_t at;           /* in the new file: written up to here */
};

static void fini(struct work *work)
{
    hst_replace_fini(&work->target);
    hst_sheet_fini(&work->sheet);
    hst_strbuf_fini(&work->head);
    for (size_t i = 0; work->fds != NULL && i < work->rewrite->wish.model->file_count; i++)
        hst_closep(&work->fds[i]);
    free(work->fds);
    free(work->in);
    free(work->out);
}

/* The folder that the new file is to lie in, without links; owned by the caller. */
static int find_folder(const char *output, char **ret_folder, struct hst_error *err)
{
    static const char suffix[] = ".safetensors";
    const char *name = hst_path_name(output);
    size_t length = strlen(name), ending = sizeof suffix - 1;
    if (output[0] != '/' || length <= ending || strcmp(name + length - ending, suffix) != 0)
        return hst_error_set(err, HST_E_INVALID_ARGUMENT, "'%s' is no absolute path of a file NAME.safetensors", output);
    HST_AUTO(hst_freep) char *parent = strndup(output, name == output + 1 ? 1 : (size_t)(name - output) - 1);
    if (parent == NULL) return hst_error_nomem(err);
    *ret_folder = hst_folder_real_path(parent);
    bool found = *ret_folder != NULL && hst_folder_exists(*ret_folder);
    if (!found) free(hst_steal(ret_folder));
    return found ? HST_OK : hst_error_set(err, HST_E_FILE_MISSING, "there is no folder %s", parent);
}

/* Is the folder this one, or below? Neither has links. */
static bool lies_in(const char *folder, const char *root)
{
    HST_AUTO(hst_freep) char *real = hst_folder_real_path(root);
    size_t length = real != NULL ? strlen(real) : 0;
    if (length == 0 || strncmp(folder, real, length) != 0) return false;
    return folder[length] == '\0' || folder[length] == '/' || length == 1;
}

static int check_folder(const struct hst_rewrite *rewrite, const char *folder, struct hst_error *err)
{
    for (size_t i = 0; rewrite->folders != NULL && i < rewrite->folder_count; i++)
        if (lies_in(folder, rewrite->folders[i])) return HST_OK;
    if (rewrite->folders == NULL) return HST_OK;
    return hst_error_set(err, HST_E_FORBIDDEN, "%s lies outside of the folders of models", folder);
}

/* What lies there already? */
static int check_place(const struct hst_rewrite *rewrite, struct hst_error *err)
{
    const struct hst_model *model = rewrite->wish.model;
    struct hst_file_id there;
    if (!hst_folder_has(HST_FOLDER_HERE, rewrite->output)) return HST_OK;
    if (!rewrite->overwrite) return hst_error_set(err, HST_E_EXISTS, "%s is there already", rewrite->output);
    bool regular = hst_folder_stat(HST_FOLDER_HERE, rewrite->output, &there);
    for (size_t i = 0; regular && i < model->file_count; i++)
        if (there.device == model->files[i].id.device && there.inode == model->files[i].id.inode)
            return hst_error_set(err, HST_E_INVALID_ARGUMENT, "%s belongs to the model itself", rewrite->output);
    return HST_OK;
}

static int make_head(struct work *work, struct hst_error *err)
{
    const struct hst_sheet_wish *wish = &work->rewrite->wish;
    const struct hst_sheet_word words[] = {
        {"format", "pt"}, {"hoist.converted_from", hst_path_name(wish->model->path)}, {"hoist.precision", hst_convert_precision_name(wish->dtype)}, {"hoist.version", HOIST_VERSION}};
    return hst_sheet_head(&work->sheet, wish->model, words, sizeof words / sizeof words[0], &work->head, err);
}

static int open_files(struct work *work, struct hst_error *err)
{
    const struct hst_model *model = work->rewrite->wish.model;
    work->fds = calloc(model->file_count + 1, sizeof *work->fds);
    if (work->fds == NULL) return hst_error_nomem(err);
    for (size_t i = 0; i < model->file_count; i++)
        work->fds[i] = -1;
    for (size_t i = 0; i < work->sheet.count; i++) {
        int *fd = &work->fds[work->sheet.rows[i].file];
        if (*fd < 0) *fd = hst_reread_open(&model->files[work->sheet.rows[i].file], err);
        if (*fd < 0) return *fd;
    }
    return HST_OK;
}

/* Everything that can be known before a byte is written. */
static int prepare(struct work *work, struct hst_error *err)
{
    const struct hst_rewrite *rewrite = work->rewrite;
    HST_AUTO(hst_freep) char *folder = NULL;
    HST_TRY(find_folder(rewrite->output, &folder, err));
    HST_TRY(check_folder(rewrite, folder, err));
    HST_TRY(check_place(rewrite, err));
    HST_TRY(hst_sheet_make(&rewrite->wish, &work->sheet, err));
    HST_TRY(make_head(work, err));
    HST_TRY(hst_space_check(folder, work->head.length + work->sheet.data_bytes, err));
    HST_TRY(open_files(work, err));
    work->in = malloc(HST_REWRITE_READ_BYTES);
    work->out = malloc(HST_REWRITE_WRITE_BYTES);
    return work->in != NULL && work->out != NULL ? HST_OK : hst_error_nomem(err);
}

/* What is written goes on to the disk meanwhile, and not much of it waits there. */
static void write_back(const struct work *work, size_t length)
{
    hst_file_write_back(work->target.fd, work->at, length);
    uint64_t end = work->at + length, oldest = end > HST_REWRITE_DIRTY_BYTES ? end - HST_REWRITE_DIRTY_BYTES : 0;
    if (oldest > 0) hst_file_write_back_wait(work->target.fd, oldest - hst_min_u64(oldest, length), hst_min_u64(oldest, length));
}

static int flush(struct work *work, struct hst_error *err)
{
    size_t used = work->used;
    if (used == 0) return HST_OK;
    HST_TRY(hst_file_write_all(work->target.fd, work->out, used, err));
    write_back(work, used);
    work->at += used;
    work->used = 0;
    return HST_OK;
}

/* Read `length` bytes of a tensor and convert them, or read them to where they are written from. There is room for them. */
static int step(struct work *work, const struct hst_sheet_row *row, const struct hst_converter *converter, uint64_t at, size_t length, struct hst_error *err)
{
    uint8_t *out = work->out + work->used;
    HST_TRY(hst_file_read_at(work->fds[row->file], row->tensor->offset + at, converter != NULL ? work->in : out, length, err));
    if (converter != NULL) converter->run(work->in, out, length / converter->from_bytes);
    work->used += converter != NULL ? length / converter->from_bytes * converter->to_bytes : length;
    work->done_bytes += length;
    work->rewrite->progress(work->rewrite->context, work->done_bytes, work->sheet.source_bytes);
    return *work->rewrite->cancel ? hst_error_set(err, HST_E_CANCELLED, "it was cancelled") : HST_OK;
}

/* How much of what is left fits into both buffers. */
static size_t next_length(const struct work *work, const struct hst_converter *converter, uint64_t left)
{
    size_t from = converter != NULL ? converter->from_bytes : 1, to = converter != NULL ? converter->to_bytes : 1;
    size_t count = hst_min_u64(HST_REWRITE_READ_BYTES / from, (HST_REWRITE_WRITE_BYTES - work->used) / to);
    return hst_min_u64(left, count * from);
}

static int write_tensor(struct work *work, const struct hst_sheet_row *row, struct hst_error *err)
{
    const struct hst_converter *converter = hst_convert_find(row->tensor->dtype, row->choice.dtype);
    for (uint64_t at = 0; at < row->tensor->size_bytes;) {
        size_t length = next_length(work, converter, row->tensor->size_bytes - at);
        if (length == 0)
            HST_TRY(flush(work, err));
        else
            HST_TRY(step(work, row, converter, at, length, err));
        at += length;
    }
    return HST_OK;
}

/* A file that changed while it was read gave bytes of both. */
static int check_files(const struct work *work, struct hst_error *err)
{
    const struct hst_model *model = work->rewrite->wish.model;
    for (size_t i = 0; i < model->file_count; i++)
        if (work->fds[i] >= 0) HST_TRY(hst_reread_check(&model->files[i], work->fds[i], err));
    return HST_OK;
}

static int write_all(struct work *work, struct hst_error *err)
{
    const struct hst_rewrite *rewrite = work->rewrite;
    HST_TRY(hst_replace_begin(&work->target, rewrite->output, rewrite->wish.model->files[0].path, err));
    HST_TRY(hst_file_write_all(work->target.fd, work->head.text, work->head.length, err));
    work->at = work->head.length;
    for (size_t i = 0; i < work->sheet.count; i++)
        HST_TRY(write_tensor(work, &work->sheet.rows[i], err));
    HST_TRY(flush(work, err));
    HST_TRY(check_files(work, err));
    HST_TRY(check_place(rewrite, err));
    return hst_replace_commit(&work->target, err);
}

static struct hst_rewrite_change *change_of(struct hst_rewritten *done, const struct hst_sheet_row *row)
{
    for (size_t i = 0; i < done->change_count; i++) {
        struct hst_rewrite_change *change = &done->changes[i];
        if (change->from == row->tensor->dtype && change->to == row->choice.dtype && change->why == row->choice.why) return change;
    }
    if (done->change_count == HST_REWRITE_CHANGES_MAX) return NULL;
    struct hst_rewrite_change *added = &done->changes[done->change_count++];
    *added = (struct hst_rewrite_change){.from = row->tensor->dtype, .to = row->choice.dtype, .why = row->choice.why};
    return added;
}

static void sum_up(const struct work *work, struct hst_rewritten *done)
{
    *done = (struct hst_rewritten){.size_bytes = work->head.length + work->sheet.data_bytes, .source_bytes = work->sheet.source_bytes, .tensors = work->sheet.count};
    for (size_t i = 0; i < work->sheet.count; i++) {
        struct hst_rewrite_change *change = change_of(done, &work->sheet.rows[i]);
        done->converted += work->sheet.rows[i].choice.dtype != work->sheet.rows[i].tensor->dtype;
        if (change == NULL) continue;
        change->tensors++;
        change->size_bytes += work->sheet.rows[i].size_bytes;
    }
}

int hst_rewrite_run(const struct hst_rewrite *rewrite, struct hst_rewritten *ret_done, struct hst_error *err)
{
    HST_AUTO(fini) struct work work = {.rewrite = rewrite};
    HST_TRY(prepare(&work, err));
    HST_TRY(write_all(&work, err));
    sum_up(&work, ret_done);
    return HST_OK;
}
