#!/usr/bin/env cwl-runner
cwlVersion: v1.2
$namespaces: {rubin: 'urn:rubincwl:'}
$graph:
- id: isr
  class: CommandLineTool
  label: isr
  doc: test.isr, a quantum for each visit, detector
  inputs:
    _runner: File
    _graph: File
    _butler: File
    _quantum:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {visit: long, detector: long}
          inputs:
            type:
              type: record
              fields: {raw: File}
  outputs:
    _log:
      type: File
      outputBinding: {glob: isr_log-$(inputs._quantum.data_id.visit)-$(inputs._quantum.data_id.detector)}
    _metadata:
      type: File
      outputBinding: {glob: isr_metadata-$(inputs._quantum.data_id.visit)-$(inputs._quantum.data_id.detector)}
    postISRCCD:
      type: File
      outputBinding: {glob: postISRCCD-$(inputs._quantum.data_id.visit)-$(inputs._quantum.data_id.detector)}
    _record:
      type: File
      outputBinding: {glob: isr_record-$(inputs._quantum.data_id.visit)-$(inputs._quantum.data_id.detector)}
  requirements:
  - class: InitialWorkDirRequirement
    listing: [$(inputs._quantum.inputs.raw)]
  hints:
  - {class: 'rubin:Task', label: isr}
  - {class: ResourceRequirement, coresMin: 1, ramMin: 2048}
  baseCommand: [python3]
  arguments: [$(inputs._runner.path), quanta, --graph, $(inputs._graph.path), --butler, $(inputs._butler.path),
    --task, isr, visit=$(inputs._quantum.data_id.visit), detector=$(inputs._quantum.data_id.detector)]
- id: calibrate
  class: CommandLineTool
  label: calibrate
  doc: test.calibrate, a quantum for each visit, detector
  inputs:
    _runner: File
    _graph: File
    _butler: File
    _quantum:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {visit: long, detector: long}
    postISRCCD: File
  outputs:
    _log:
      type: File
      outputBinding: {glob: calibrate_log-$(inputs._quantum.data_id.visit)-$(inputs._quantum.data_id.detector)}
    _metadata:
      type: File
      outputBinding: {glob: calibrate_metadata-$(inputs._quantum.data_id.visit)-$(inputs._quantum.data_id.detector)}
    calexp:
      type: File
      outputBinding: {glob: calexp-$(inputs._quantum.data_id.visit)-$(inputs._quantum.data_id.detector)}
    _record:
      type: File
      outputBinding: {glob: calibrate_record-$(inputs._quantum.data_id.visit)-$(inputs._quantum.data_id.detector)}
  requirements:
  - class: InitialWorkDirRequirement
    listing: [$(inputs.postISRCCD)]
  hints:
  - {class: 'rubin:Task', label: calibrate}
  - {class: ResourceRequirement, coresMin: 1, ramMin: 2048}
  baseCommand: [python3]
  arguments: [$(inputs._runner.path), quanta, --graph, $(inputs._graph.path), --butler, $(inputs._butler.path),
    --task, calibrate, visit=$(inputs._quantum.data_id.visit), detector=$(inputs._quantum.data_id.detector)]
- id: makeWarp
  class: CommandLineTool
  label: makeWarp
  doc: test.makeWarp, a quantum for each patch, visit
  inputs:
    _runner: File
    _graph: File
    _butler: File
    _quantum:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {patch: long, visit: long}
    calexp:
      type: {type: array, items: File}
  outputs:
    _log:
      type: File
      outputBinding: {glob: makeWarp_log-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.visit)}
    _metadata:
      type: File
      outputBinding: {glob: makeWarp_metadata-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.visit)}
    warp:
      type: File
      outputBinding: {glob: warp-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.visit)}
    _record:
      type: File
      outputBinding: {glob: makeWarp_record-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.visit)}
  requirements:
  - class: InitialWorkDirRequirement
    listing: [$(inputs.calexp)]
  hints:
  - {class: 'rubin:Task', label: makeWarp}
  - {class: ResourceRequirement, coresMin: 1, ramMin: 2048}
  baseCommand: [python3]
  arguments: [$(inputs._runner.path), quanta, --graph, $(inputs._graph.path), --butler, $(inputs._butler.path),
    --task, makeWarp, patch=$(inputs._quantum.data_id.patch), visit=$(inputs._quantum.data_id.visit)]
- id: assemble
  class: CommandLineTool
  label: assemble
  doc: test.assemble, a quantum for each patch, band
  inputs:
    _runner: File
    _graph: File
    _butler: File
    _quantum:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {patch: long, band: string}
    warp:
      type: {type: array, items: File}
  outputs:
    _log:
      type: File
      outputBinding: {glob: assemble_log-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.band)}
    _metadata:
      type: File
      outputBinding: {glob: assemble_metadata-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.band)}
    coadd:
      type: File
      outputBinding: {glob: coadd-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.band)}
    _record:
      type: File
      outputBinding: {glob: assemble_record-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.band)}
  requirements:
  - class: InitialWorkDirRequirement
    listing: [$(inputs.warp)]
  hints:
  - {class: 'rubin:Task', label: assemble}
  - {class: ResourceRequirement, coresMin: 1, ramMin: 2048}
  baseCommand: [python3]
  arguments: [$(inputs._runner.path), quanta, --graph, $(inputs._graph.path), --butler, $(inputs._butler.path),
    --task, assemble, patch=$(inputs._quantum.data_id.patch), band=$(inputs._quantum.data_id.band)]
- id: detect
  class: CommandLineTool
  label: detect
  doc: test.detect, a quantum for each patch, band
  inputs:
    _runner: File
    _graph: File
    _butler: File
    _quantum:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {patch: long, band: string}
    coadd: File
  outputs:
    _log:
      type: File
      outputBinding: {glob: detect_log-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.band)}
    _metadata:
      type: File
      outputBinding: {glob: detect_metadata-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.band)}
    det:
      type: File
      outputBinding: {glob: det-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.band)}
    _record:
      type: File
      outputBinding: {glob: detect_record-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.band)}
  requirements:
  - class: InitialWorkDirRequirement
    listing: [$(inputs.coadd)]
  hints:
  - {class: 'rubin:Task', label: detect}
  - {class: ResourceRequirement, coresMin: 1, ramMin: 2048}
  baseCommand: [python3]
  arguments: [$(inputs._runner.path), quanta, --graph, $(inputs._graph.path), --butler, $(inputs._butler.path),
    --task, detect, patch=$(inputs._quantum.data_id.patch), band=$(inputs._quantum.data_id.band)]
- id: mergeDetections
  class: CommandLineTool
  label: mergeDetections
  doc: test.mergeDetections, a quantum for each patch
  inputs:
    _runner: File
    _graph: File
    _butler: File
    _quantum:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {patch: long}
    det:
      type: {type: array, items: File}
  outputs:
    _log:
      type: File
      outputBinding: {glob: mergeDetections_log-$(inputs._quantum.data_id.patch)}
    _metadata:
      type: File
      outputBinding: {glob: mergeDetections_metadata-$(inputs._quantum.data_id.patch)}
    mergeDet:
      type: File
      outputBinding: {glob: mergeDet-$(inputs._quantum.data_id.patch)}
    _record:
      type: File
      outputBinding: {glob: mergeDetections_record-$(inputs._quantum.data_id.patch)}
  requirements:
  - class: InitialWorkDirRequirement
    listing: [$(inputs.det)]
  hints:
  - {class: 'rubin:Task', label: mergeDetections}
  - {class: ResourceRequirement, coresMin: 1, ramMin: 2048}
  baseCommand: [python3]
  arguments: [$(inputs._runner.path), quanta, --graph, $(inputs._graph.path), --butler, $(inputs._butler.path),
    --task, mergeDetections, patch=$(inputs._quantum.data_id.patch)]
- id: measure
  class: CommandLineTool
  label: measure
  doc: test.measure, a quantum for each patch, band
  inputs:
    _runner: File
    _graph: File
    _butler: File
    _quantum:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {patch: long, band: string}
    coadd: File
    mergeDet: File
  outputs:
    _log:
      type: File
      outputBinding: {glob: measure_log-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.band)}
    _metadata:
      type: File
      outputBinding: {glob: measure_metadata-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.band)}
    meas:
      type: File
      outputBinding: {glob: meas-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.band)}
    _record:
      type: File
      outputBinding: {glob: measure_record-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.band)}
  requirements:
  - class: InitialWorkDirRequirement
    listing: [$(inputs.coadd), $(inputs.mergeDet)]
  hints:
  - {class: 'rubin:Task', label: measure}
  - {class: ResourceRequirement, coresMin: 1, ramMin: 2048}
  baseCommand: [python3]
  arguments: [$(inputs._runner.path), quanta, --graph, $(inputs._graph.path), --butler, $(inputs._butler.path),
    --task, measure, patch=$(inputs._quantum.data_id.patch), band=$(inputs._quantum.data_id.band)]
- id: mergeMeasurements
  class: CommandLineTool
  label: mergeMeasurements
  doc: test.mergeMeasurements, a quantum for each patch
  inputs:
    _runner: File
    _graph: File
    _butler: File
    _quantum:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {patch: long}
    meas:
      type: {type: array, items: File}
  outputs:
    _log:
      type: File
      outputBinding: {glob: mergeMeasurements_log-$(inputs._quantum.data_id.patch)}
    _metadata:
      type: File
      outputBinding: {glob: mergeMeasurements_metadata-$(inputs._quantum.data_id.patch)}
    ref:
      type: File
      outputBinding: {glob: ref-$(inputs._quantum.data_id.patch)}
    _record:
      type: File
      outputBinding: {glob: mergeMeasurements_record-$(inputs._quantum.data_id.patch)}
  requirements:
  - class: InitialWorkDirRequirement
    listing: [$(inputs.meas)]
  hints:
  - {class: 'rubin:Task', label: mergeMeasurements}
  - {class: ResourceRequirement, coresMin: 1, ramMin: 2048}
  baseCommand: [python3]
  arguments: [$(inputs._runner.path), quanta, --graph, $(inputs._graph.path), --butler, $(inputs._butler.path),
    --task, mergeMeasurements, patch=$(inputs._quantum.data_id.patch)]
- id: forced
  class: CommandLineTool
  label: forced
  doc: test.forced, a quantum for each patch, band
  inputs:
    _runner: File
    _graph: File
    _butler: File
    _quantum:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {patch: long, band: string}
    coadd: File
    ref: File
  outputs:
    _log:
      type: File
      outputBinding: {glob: forced_log-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.band)}
    _metadata:
      type: File
      outputBinding: {glob: forced_metadata-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.band)}
    forced_src:
      type: File
      outputBinding: {glob: forced_src-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.band)}
    _record:
      type: File
      outputBinding: {glob: forced_record-$(inputs._quantum.data_id.patch)-$(inputs._quantum.data_id.band)}
  requirements:
  - class: InitialWorkDirRequirement
    listing: [$(inputs.coadd), $(inputs.ref)]
  hints:
  - {class: 'rubin:Task', label: forced}
  - {class: ResourceRequirement, coresMin: 1, ramMin: 2048}
  baseCommand: [python3]
  arguments: [$(inputs._runner.path), quanta, --graph, $(inputs._graph.path), --butler, $(inputs._butler.path),
    --task, forced, patch=$(inputs._quantum.data_id.patch), band=$(inputs._quantum.data_id.band)]
- id: each_band
  class: Workflow
  label: for each band
  inputs:
    _runner: File
    _graph: File
    _butler: File
    makeWarp__quanta:
      type:
        type: array
        items:
          type: record
          fields:
            data_id:
              type:
                type: record
                fields: {patch: long, visit: long}
    makeWarp__calexp:
      type:
        type: array
        items: {type: array, items: File}
    assemble__quanta:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {patch: long, band: string}
    detect__quanta:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {patch: long, band: string}
  outputs:
    makeWarp___log:
      type: {type: array, items: File}
      outputSource: makeWarp/_log
    makeWarp___metadata:
      type: {type: array, items: File}
      outputSource: makeWarp/_metadata
    makeWarp__warp:
      type: {type: array, items: File}
      outputSource: makeWarp/warp
    makeWarp___record:
      type: {type: array, items: File}
      outputSource: makeWarp/_record
    assemble___log: {type: File, outputSource: assemble/_log}
    assemble___metadata: {type: File, outputSource: assemble/_metadata}
    assemble__coadd: {type: File, outputSource: assemble/coadd}
    assemble___record: {type: File, outputSource: assemble/_record}
    detect___log: {type: File, outputSource: detect/_log}
    detect___metadata: {type: File, outputSource: detect/_metadata}
    detect__det: {type: File, outputSource: detect/det}
    detect___record: {type: File, outputSource: detect/_record}
  requirements:
  - {class: ScatterFeatureRequirement}
  steps:
    makeWarp:
      in: {_runner: _runner, _graph: _graph, _butler: _butler, _quantum: makeWarp__quanta, calexp: makeWarp__calexp}
      out: [_log, _metadata, warp, _record]
      run: '#makeWarp'
      scatter: [_quantum, calexp]
      scatterMethod: dotproduct
    assemble:
      in: {_runner: _runner, _graph: _graph, _butler: _butler, _quantum: assemble__quanta, warp: makeWarp/warp}
      out: [_log, _metadata, coadd, _record]
      run: '#assemble'
    detect:
      in: {_runner: _runner, _graph: _graph, _butler: _butler, _quantum: detect__quanta, coadd: assemble/coadd}
      out: [_log, _metadata, det, _record]
      run: '#detect'
- id: each_patch
  class: Workflow
  label: for each patch
  inputs:
    _runner: File
    _graph: File
    _butler: File
    makeWarp__quanta:
      type:
        type: array
        items:
          type: array
          items:
            type: record
            fields:
              data_id:
                type:
                  type: record
                  fields: {patch: long, visit: long}
    makeWarp__calexp:
      type:
        type: array
        items:
          type: array
          items: {type: array, items: File}
    assemble__quanta:
      type:
        type: array
        items:
          type: record
          fields:
            data_id:
              type:
                type: record
                fields: {patch: long, band: string}
    detect__quanta:
      type:
        type: array
        items:
          type: record
          fields:
            data_id:
              type:
                type: record
                fields: {patch: long, band: string}
    mergeDetections__quanta:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {patch: long}
    measure__quanta:
      type:
        type: array
        items:
          type: record
          fields:
            data_id:
              type:
                type: record
                fields: {patch: long, band: string}
    mergeMeasurements__quanta:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {patch: long}
    forced__quanta:
      type:
        type: array
        items:
          type: record
          fields:
            data_id:
              type:
                type: record
                fields: {patch: long, band: string}
  outputs:
    makeWarp___log:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_band/makeWarp___log
    makeWarp___metadata:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_band/makeWarp___metadata
    makeWarp__warp:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_band/makeWarp__warp
    makeWarp___record:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_band/makeWarp___record
    assemble___log:
      type: {type: array, items: File}
      outputSource: each_band/assemble___log
    assemble___metadata:
      type: {type: array, items: File}
      outputSource: each_band/assemble___metadata
    assemble__coadd:
      type: {type: array, items: File}
      outputSource: each_band/assemble__coadd
    assemble___record:
      type: {type: array, items: File}
      outputSource: each_band/assemble___record
    detect___log:
      type: {type: array, items: File}
      outputSource: each_band/detect___log
    detect___metadata:
      type: {type: array, items: File}
      outputSource: each_band/detect___metadata
    detect__det:
      type: {type: array, items: File}
      outputSource: each_band/detect__det
    detect___record:
      type: {type: array, items: File}
      outputSource: each_band/detect___record
    mergeDetections___log: {type: File, outputSource: mergeDetections/_log}
    mergeDetections___metadata: {type: File, outputSource: mergeDetections/_metadata}
    mergeDetections__mergeDet: {type: File, outputSource: mergeDetections/mergeDet}
    mergeDetections___record: {type: File, outputSource: mergeDetections/_record}
    measure___log:
      type: {type: array, items: File}
      outputSource: measure/_log
    measure___metadata:
      type: {type: array, items: File}
      outputSource: measure/_metadata
    measure__meas:
      type: {type: array, items: File}
      outputSource: measure/meas
    measure___record:
      type: {type: array, items: File}
      outputSource: measure/_record
    mergeMeasurements___log: {type: File, outputSource: mergeMeasurements/_log}
    mergeMeasurements___metadata: {type: File, outputSource: mergeMeasurements/_metadata}
    mergeMeasurements__ref: {type: File, outputSource: mergeMeasurements/ref}
    mergeMeasurements___record: {type: File, outputSource: mergeMeasurements/_record}
    forced___log:
      type: {type: array, items: File}
      outputSource: forced/_log
    forced___metadata:
      type: {type: array, items: File}
      outputSource: forced/_metadata
    forced__forced_src:
      type: {type: array, items: File}
      outputSource: forced/forced_src
    forced___record:
      type: {type: array, items: File}
      outputSource: forced/_record
  requirements:
  - {class: SubworkflowFeatureRequirement}
  - {class: ScatterFeatureRequirement}
  steps:
    each_band:
      in: {_runner: _runner, _graph: _graph, _butler: _butler, makeWarp__quanta: makeWarp__quanta, makeWarp__calexp: makeWarp__calexp,
        assemble__quanta: assemble__quanta, detect__quanta: detect__quanta}
      out: [makeWarp___log, makeWarp___metadata, makeWarp__warp, makeWarp___record, assemble___log, assemble___metadata,
        assemble__coadd, assemble___record, detect___log, detect___metadata, detect__det, detect___record]
      run: '#each_band'
      scatter: [makeWarp__quanta, makeWarp__calexp, assemble__quanta, detect__quanta]
      scatterMethod: dotproduct
    mergeDetections:
      in: {_runner: _runner, _graph: _graph, _butler: _butler, _quantum: mergeDetections__quanta, det: each_band/detect__det}
      out: [_log, _metadata, mergeDet, _record]
      run: '#mergeDetections'
    measure:
      in: {_runner: _runner, _graph: _graph, _butler: _butler, _quantum: measure__quanta, coadd: each_band/assemble__coadd,
        mergeDet: mergeDetections/mergeDet}
      out: [_log, _metadata, meas, _record]
      run: '#measure'
      scatter: [_quantum, coadd]
      scatterMethod: dotproduct
    mergeMeasurements:
      in: {_runner: _runner, _graph: _graph, _butler: _butler, _quantum: mergeMeasurements__quanta, meas: measure/meas}
      out: [_log, _metadata, ref, _record]
      run: '#mergeMeasurements'
    forced:
      in: {_runner: _runner, _graph: _graph, _butler: _butler, _quantum: forced__quanta, coadd: each_band/assemble__coadd,
        ref: mergeMeasurements/ref}
      out: [_log, _metadata, forced_src, _record]
      run: '#forced'
      scatter: [_quantum, coadd]
      scatterMethod: dotproduct
- id: each_visit_detector
  class: Workflow
  label: for each visit, detector
  inputs:
    _runner: File
    _graph: File
    _butler: File
    isr__quanta:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {visit: long, detector: long}
          inputs:
            type:
              type: record
              fields: {raw: File}
    calibrate__quanta:
      type:
        type: record
        fields:
          data_id:
            type:
              type: record
              fields: {visit: long, detector: long}
  outputs:
    isr___log: {type: File, outputSource: isr/_log}
    isr___metadata: {type: File, outputSource: isr/_metadata}
    isr__postISRCCD: {type: File, outputSource: isr/postISRCCD}
    isr___record: {type: File, outputSource: isr/_record}
    calibrate___log: {type: File, outputSource: calibrate/_log}
    calibrate___metadata: {type: File, outputSource: calibrate/_metadata}
    calibrate__calexp: {type: File, outputSource: calibrate/calexp}
    calibrate___record: {type: File, outputSource: calibrate/_record}
  steps:
    isr:
      in: {_runner: _runner, _graph: _graph, _butler: _butler, _quantum: isr__quanta}
      out: [_log, _metadata, postISRCCD, _record]
      run: '#isr'
    calibrate:
      in: {_runner: _runner, _graph: _graph, _butler: _butler, _quantum: calibrate__quanta, postISRCCD: isr/postISRCCD}
      out: [_log, _metadata, calexp, _record]
      run: '#calibrate'
- id: main
  class: Workflow
  doc: the tract shape
  inputs:
    _runner: File
    _graph: File
    _butler: File
    isr__quanta:
      type:
        type: array
        items:
          type: record
          fields:
            data_id:
              type:
                type: record
                fields: {visit: long, detector: long}
            inputs:
              type:
                type: record
                fields: {raw: File}
    calibrate__quanta:
      type:
        type: array
        items:
          type: record
          fields:
            data_id:
              type:
                type: record
                fields: {visit: long, detector: long}
    makeWarp__quanta:
      type:
        type: array
        items:
          type: array
          items:
            type: array
            items:
              type: record
              fields:
                data_id:
                  type:
                    type: record
                    fields: {patch: long, visit: long}
    makeWarp__calexp_index:
      type:
        type: array
        items:
          type: array
          items:
            type: array
            items: {type: array, items: int}
    assemble__quanta:
      type:
        type: array
        items:
          type: array
          items:
            type: record
            fields:
              data_id:
                type:
                  type: record
                  fields: {patch: long, band: string}
    detect__quanta:
      type:
        type: array
        items:
          type: array
          items:
            type: record
            fields:
              data_id:
                type:
                  type: record
                  fields: {patch: long, band: string}
    mergeDetections__quanta:
      type:
        type: array
        items:
          type: record
          fields:
            data_id:
              type:
                type: record
                fields: {patch: long}
    measure__quanta:
      type:
        type: array
        items:
          type: array
          items:
            type: record
            fields:
              data_id:
                type:
                  type: record
                  fields: {patch: long, band: string}
    mergeMeasurements__quanta:
      type:
        type: array
        items:
          type: record
          fields:
            data_id:
              type:
                type: record
                fields: {patch: long}
    forced__quanta:
      type:
        type: array
        items:
          type: array
          items:
            type: record
            fields:
              data_id:
                type:
                  type: record
                  fields: {patch: long, band: string}
  outputs:
    isr___log:
      type: {type: array, items: File}
      outputSource: each_visit_detector/isr___log
    isr___metadata:
      type: {type: array, items: File}
      outputSource: each_visit_detector/isr___metadata
    isr__postISRCCD:
      type: {type: array, items: File}
      outputSource: each_visit_detector/isr__postISRCCD
    isr___record:
      type: {type: array, items: File}
      outputSource: each_visit_detector/isr___record
    calibrate___log:
      type: {type: array, items: File}
      outputSource: each_visit_detector/calibrate___log
    calibrate___metadata:
      type: {type: array, items: File}
      outputSource: each_visit_detector/calibrate___metadata
    calibrate__calexp:
      type: {type: array, items: File}
      outputSource: each_visit_detector/calibrate__calexp
    calibrate___record:
      type: {type: array, items: File}
      outputSource: each_visit_detector/calibrate___record
    makeWarp___log:
      type:
        type: array
        items:
          type: array
          items: {type: array, items: File}
      outputSource: each_patch/makeWarp___log
    makeWarp___metadata:
      type:
        type: array
        items:
          type: array
          items: {type: array, items: File}
      outputSource: each_patch/makeWarp___metadata
    makeWarp__warp:
      type:
        type: array
        items:
          type: array
          items: {type: array, items: File}
      outputSource: each_patch/makeWarp__warp
    makeWarp___record:
      type:
        type: array
        items:
          type: array
          items: {type: array, items: File}
      outputSource: each_patch/makeWarp___record
    assemble___log:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_patch/assemble___log
    assemble___metadata:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_patch/assemble___metadata
    assemble__coadd:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_patch/assemble__coadd
    assemble___record:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_patch/assemble___record
    detect___log:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_patch/detect___log
    detect___metadata:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_patch/detect___metadata
    detect__det:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_patch/detect__det
    detect___record:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_patch/detect___record
    mergeDetections___log:
      type: {type: array, items: File}
      outputSource: each_patch/mergeDetections___log
    mergeDetections___metadata:
      type: {type: array, items: File}
      outputSource: each_patch/mergeDetections___metadata
    mergeDetections__mergeDet:
      type: {type: array, items: File}
      outputSource: each_patch/mergeDetections__mergeDet
    mergeDetections___record:
      type: {type: array, items: File}
      outputSource: each_patch/mergeDetections___record
    measure___log:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_patch/measure___log
    measure___metadata:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_patch/measure___metadata
    measure__meas:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_patch/measure__meas
    measure___record:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_patch/measure___record
    mergeMeasurements___log:
      type: {type: array, items: File}
      outputSource: each_patch/mergeMeasurements___log
    mergeMeasurements___metadata:
      type: {type: array, items: File}
      outputSource: each_patch/mergeMeasurements___metadata
    mergeMeasurements__ref:
      type: {type: array, items: File}
      outputSource: each_patch/mergeMeasurements__ref
    mergeMeasurements___record:
      type: {type: array, items: File}
      outputSource: each_patch/mergeMeasurements___record
    forced___log:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_patch/forced___log
    forced___metadata:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_patch/forced___metadata
    forced__forced_src:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_patch/forced__forced_src
    forced___record:
      type:
        type: array
        items: {type: array, items: File}
      outputSource: each_patch/forced___record
  requirements:
  - {class: SubworkflowFeatureRequirement}
  - {class: ScatterFeatureRequirement}
  steps:
    each_visit_detector:
      in: {_runner: _runner, _graph: _graph, _butler: _butler, isr__quanta: isr__quanta, calibrate__quanta: calibrate__quanta}
      out: [isr___log, isr___metadata, isr__postISRCCD, isr___record, calibrate___log, calibrate___metadata, calibrate__calexp,
        calibrate___record]
      run: '#each_visit_detector'
      scatter: [isr__quanta, calibrate__quanta]
      scatterMethod: dotproduct
    makeWarp__calexp_regroup:
      in: {pool: each_visit_detector/calibrate__calexp, index: makeWarp__calexp_index}
      out: [members]
      run:
        class: ExpressionTool
        inputs:
          pool:
            type: {type: array, items: File}
          index:
            type:
              type: array
              items:
                type: array
                items:
                  type: array
                  items: {type: array, items: int}
        outputs:
          members:
            type:
              type: array
              items:
                type: array
                items:
                  type: array
                  items: {type: array, items: File}
        requirements:
        - {class: InlineJavascriptRequirement}
        hints:
        - {class: 'rubin:Regroup'}
        expression: |-
          ${
            var files = [];
            function flatten(x) { if (Array.isArray(x)) { x.forEach(flatten); } else { files.push(x); } }
            function pick(i) { return Array.isArray(i) ? i.map(pick) : files[i]; }
            flatten(inputs.pool);
            return {"members": pick(inputs.index)};
          }
    each_patch:
      in: {_runner: _runner, _graph: _graph, _butler: _butler, makeWarp__quanta: makeWarp__quanta, makeWarp__calexp: makeWarp__calexp_regroup/members,
        assemble__quanta: assemble__quanta, detect__quanta: detect__quanta, mergeDetections__quanta: mergeDetections__quanta,
        measure__quanta: measure__quanta, mergeMeasurements__quanta: mergeMeasurements__quanta, forced__quanta: forced__quanta}
      out: [makeWarp___log, makeWarp___metadata, makeWarp__warp, makeWarp___record, assemble___log, assemble___metadata,
        assemble__coadd, assemble___record, detect___log, detect___metadata, detect__det, detect___record, mergeDetections___log,
        mergeDetections___metadata, mergeDetections__mergeDet, mergeDetections___record, measure___log, measure___metadata,
        measure__meas, measure___record, mergeMeasurements___log, mergeMeasurements___metadata, mergeMeasurements__ref,
        mergeMeasurements___record, forced___log, forced___metadata, forced__forced_src, forced___record]
      run: '#each_patch'
      scatter: [makeWarp__quanta, makeWarp__calexp, assemble__quanta, detect__quanta, mergeDetections__quanta, measure__quanta,
        mergeMeasurements__quanta, forced__quanta]
      scatterMethod: dotproduct
