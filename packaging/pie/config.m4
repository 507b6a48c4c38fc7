dnl The way of phpize, configure and make, which PIE goes, to an extension that cargo builds. It lies here and not at the
dnl top because configure writes a Makefile where it runs.

PHP_ARG_ENABLE([cloakroom],
  [whether to build Cloakroom],
  [AS_HELP_STRING([--enable-cloakroom], [Build Cloakroom, a session save handler])],
  [yes])

if test "$PHP_CLOAKROOM" != "no"; then
  AC_PATH_PROG([CARGO], [cargo])
  if test -z "$CARGO"; then
    AC_MSG_ERROR([cargo was not found: Cloakroom is written in Rust; install Rust from rustup.rs or your distribution])
  fi

  dnl Cargo and the build script look for php-config and php on the path. Only where others were chosen are they told, as
  dnl cargo builds everything again when it is told something new.
  CLOAKROOM_ENVIRONMENT=
  for found in php-config:"$PHP_CONFIG" php:"$PHP_EXECUTABLE"; do
    first=`command -v "${found%%:*}"`
    chosen=`command -v "${found#*:}"`
    if test "`readlink -f "$first"`" != "`readlink -f "$chosen"`"; then
      CLOAKROOM_ENVIRONMENT="PHP_CONFIG='`command -v "$PHP_CONFIG"`'"
      test -x "$PHP_EXECUTABLE" && CLOAKROOM_ENVIRONMENT="$CLOAKROOM_ENVIRONMENT PHP='$PHP_EXECUTABLE'"
    fi
  done
  CLOAKROOM_SOURCE=`cd "$abs_srcdir/../.." && pwd`
  PHP_SUBST([CARGO])
  PHP_SUBST([CLOAKROOM_ENVIRONMENT])
  PHP_SUBST([CLOAKROOM_SOURCE])

  ext_shared=yes
  PHP_MODULES="$PHP_MODULES \$(phplibdir)/cloakroom.la"
  PHP_ADD_BUILD_DIR([.])
  PHP_ADD_MAKEFILE_FRAGMENT([$abs_srcdir/Makefile.frag], [$abs_srcdir], [$abs_builddir])
fi
