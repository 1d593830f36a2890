;; Wants an interface that no host has.
  (import "acme:vault/secrets@1.0.0" (instance
    (export "reveal" (func (result string)))))

  (core module $guest
    (memory (export "memory") 16)

    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
    (func (export "schema") (result i32) unreachable)
    (func (export "judge")
      (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
      unreachable))
