;; Two components beside each other: one takes text, and one is a scorer that may hand it some. It is no component yet: the
;; types of `scorer.wat` belong in the place of `;; TYPES`, and a whole scorer, told of the other, in that of `;; SCORER`.
(component
  ;; TYPES
  (import "xhost:plugin/types@0.1.0" (instance $t (type $types)))
  (component $inner
    (core module $m
      (memory (export "memory") 600)
      (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
      (func (export "take") (param i32 i32)))
    (core instance $i (instantiate $m))
    (func (export "take") (param "text" string)
      (canon lift (core func $i "take") (memory (core memory $i "memory")) (realloc (core func $i "cabi_realloc")))))
  (instance $other (instantiate $inner))
  ;; SCORER
  (instance $both (instantiate $scorer (with "xhost:plugin/types@0.1.0" (instance $t))
    (with "take" (func $other "take"))))
  (export "xhost:plugin/scorer@0.1.0" (instance $both "xhost:plugin/scorer@0.1.0")))
