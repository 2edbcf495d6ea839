/* See ../postgres.h. */
