;; A scorer of a contract that this host no longer serves.
(component
  (instance $scorer)
  (export "xhost:plugin/scorer@0.0.1" (instance $scorer)))
