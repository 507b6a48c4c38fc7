# "make install" takes what lies in modules/, and "make test" reads the name of what it loads from the .la file, which
# libtool writes for extensions in C. Cargo finds out by itself whether anything is to be done.

CLOAKROOM_TARGET = $${CARGO_TARGET_DIR:-$(CLOAKROOM_SOURCE)/target}

.PHONY: cloakroom
cloakroom:
	cd "$(CLOAKROOM_SOURCE)" && $(CLOAKROOM_ENVIRONMENT) "$(CARGO)" build --release --locked --package cloakroom \
		--target-dir "$(CLOAKROOM_TARGET)"

$(phplibdir)/cloakroom.la: cloakroom
	cp "$(CLOAKROOM_TARGET)/release/libcloakroom.so" "$(phplibdir)/cloakroom.so"
	echo "dlname='cloakroom.so'" > $@
