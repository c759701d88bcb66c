#ifndef HST_TESTS_CMOCKA_ALL_H
#define HST_TESTS_CMOCKA_ALL_H
/** @file
 * cmocka with the headers it wants before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#endif
